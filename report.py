"""Report on finished runs: what averaging gained over fine-tuning one model, in tables, figures and one page.

    python report.py log/demo                        tables on stdout
    python report.py log/demo --out log/report       also report.html, report.md, .tex, .csv and the figures
    python report.py log/study --tuned lr            each method with the rate that is best on held-out rows

Reads run records only (config.json, rounds.jsonl, summary.json, predictions.parquet). Exit code 0: done; 2: the input
is wrong.
"""

import sys
from pathlib import Path

from reports.contents import Contents, contents
from reports.csv_lines import csv_text
from reports.law_table import law_csv
from reports.page import page
from reports.records import Records, read_records
from reports.tables import latex, plain
from utils.command_line import OneLineParser
from utils.errors import UserError
from utils.machine.process import begin


def main(argv: list[str] | None = None) -> int:
    """Run one command line; return the exit code."""
    parser = OneLineParser(prog="report.py", allow_abbrev=False,
                           description="Report what averaging gained over fine-tuning one model.")
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders that hold some")
    parser.add_argument("--out", type=Path, help="folder for report.html, .md, .tex, .csv and the figures")
    parser.add_argument("--baseline", default="", help="method that gains are over (default: of each method's budget "
                                                       "the baseline that is strongest on held-out rows)")
    parser.add_argument("--tuned", default="", metavar="FLAG[,FLAG…]",
                        help="flags, as lr, of whose values each method has the one that is best on held-out rows")
    parser.add_argument("--mcnemar", action="store_true", help="also McNemar's test of each pair of runs")
    parser.add_argument("--published", action="store_true", help="also the gains against compute in the unit of the "
                                                                 "paper's figure 1, beside its points")
    parser.add_argument("--all_figures", action="store_true", help="draw those of each comparison, however many there "
                                                                   "are: of more than ten it takes minutes")
    options = parser.parse_args(argv)
    try:
        records = read_records(options.folders, names_of(options.tuned))
        check_baseline(records, options.baseline)
        found = contents(records, options.baseline, options.mcnemar, options.published)
        if options.out:
            (options.out / "figures").mkdir(parents=True, exist_ok=True)  # before a long text: it may be no folder
        print(found.text())
        if options.out:
            write_files(found, options.out, options.all_figures)
            print(f"report.py: wrote {options.out / 'report.html'}", file=sys.stderr)
    except UserError as error:
        print(f"report.py: {plain(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("report.py: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"report.py: --out {options.out}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


def names_of(tuned: str) -> list[str]:
    """Return the flags that --tuned names; none for "". Raises UserError where it names nothing."""
    names = [name.strip() for name in tuned.split(",") if name.strip()]
    if tuned and not names:
        raise UserError(f"--tuned {tuned}: names no flag; give FLAG[,FLAG…], such as lr, or leave it out")
    return names


def check_baseline(records: Records, baseline: str) -> None:
    """Raise UserError unless the method that --baseline names has runs here, or is standard fine-tuning."""
    known = {method for compared in records.comparisons for method in compared.methods}
    if baseline not in known | {"", "centralized"}:
        raise UserError(f"--baseline {baseline}: no such method here; there are {', '.join(sorted(known))}")


def write_files(found: Contents, out: Path, all_figures: bool) -> None:
    """Write the report into a folder with figures/: .md, .tex, .csv, law.csv of a ladder, the figures, report.html."""
    from reports.sections import html_sections  # tables alone need no matplotlib
    from reports.style import drawing

    (out / "report.md").write_text(found.text() + "\n", encoding="utf-8")
    (out / "report.tex").write_text("\n\n".join(map(latex, found.tables())) + "\n", encoding="utf-8")
    if found.laws:
        (out / "law.csv").write_text(law_csv(found.laws), encoding="utf-8")
    (out / "report.csv").write_text(csv_text(judged for sets in found.judged for judged in sets), encoding="utf-8")
    with drawing():
        sections = html_sections(found, out / "figures", all_figures)
    (out / "report.html").write_text(page(found.headline, found.findings, sections, found.records), encoding="utf-8")


if __name__ == "__main__":
    begin()
    sys.exit(main())
