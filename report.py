"""Report on finished runs: what averaging gained over standard fine-tuning, in tables, figures and one page.

    python report.py log/demo                        tables on stdout
    python report.py log/demo --out log/report       also report.html, report.md, .tex, .csv and the figures

Reads run records only (config.json, rounds.jsonl, summary.json). Exit code 0: done; 2: the input is wrong.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from reports.compute import Trend, trends
from reports.gains import HOW, averaging, gain_sentence, headline_sentence
from reports.page import html_figure, html_list, html_table, page
from reports.records import Records, read_records
from reports.tables import (
    ReportTable,
    csv_text,
    gain_table,
    latex,
    markdown,
    markdown_text,
    overview_table,
    plain,
    score_table,
)
from utils.errors import UserError
from utils.file_names import file_name
from utils.machine.process import begin

if TYPE_CHECKING:  # tables alone need no matplotlib
    from matplotlib.figure import Figure


def main(argv: list[str] | None = None) -> int:
    """Run one command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="report.py", allow_abbrev=False,
                                     description="Report what averaging gained over standard fine-tuning.")
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders that hold some")
    parser.add_argument("--out", type=Path, help="folder for report.html, .md, .tex, .csv and the figures")
    parser.add_argument("--baseline", default="centralized", help="method that gains are over (default: %(default)s)")
    options = parser.parse_args(argv)
    try:
        records = read_records(options.folders)
        known = {method for compared in records.comparisons for method in compared.methods}
        if options.baseline not in known | {"centralized"}:
            raise UserError(f"--baseline {options.baseline}: no such method here; there are "
                            f"{', '.join(sorted(known))}")
        printed = report_text(records, options.baseline)
        print(printed)
        if options.out:
            write_files(records, options.baseline, printed, options.out)
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


def tables_of(records: Records, baseline: str) -> list[ReportTable]:
    """Return the overview where there are several comparisons, then two for each one and evaluation set."""
    several = [overview_table(records.comparisons, baseline)] if len(records.comparisons) > 1 else []
    return several + [table for compared in records.comparisons for each in compared.on_each_set()
                      for table in (score_table(each), gain_table(each, baseline))]


def report_text(records: Records, baseline: str) -> str:
    """Return the report as Markdown."""
    parts = [markdown_text(headline_sentence(records.comparisons, baseline)) + ".", HOW]
    parts += map(markdown, tables_of(records, baseline))
    found, left_out = trends(records.comparisons, baseline)
    lines = [*(trend.sentence() for trend in found), *left_out]
    parts.append("Gain against pre-training compute\n\n" + "\n".join(f"- {markdown_text(line)}" for line in lines))
    if records.unfinished:
        parts.append("Unfinished (failed, stopped or still running), not counted\n\n" + "\n".join(
            f"- {markdown_text(str(run.folder))}: {run.state}" for run in records.unfinished))
    return "\n\n".join(parts)


def write_files(records: Records, baseline: str, printed: str, out: Path) -> None:
    """Write the report into `out`: .md, .tex, .csv, the figures as PDF and PNG, and report.html."""
    from reports.style import drawing

    (out / "figures").mkdir(parents=True, exist_ok=True)
    (out / "report.md").write_text(printed + "\n", encoding="utf-8")
    (out / "report.tex").write_text("\n\n".join(map(latex, tables_of(records, baseline))) + "\n", encoding="utf-8")
    (out / "report.csv").write_text(csv_text(records.comparisons, baseline), encoding="utf-8")
    with drawing():
        sections = html_sections(records, baseline, out / "figures")
    findings = [gain_sentence(compared, method, baseline) + "." for compared in records.comparisons
                for method in averaging(compared) if method != baseline]
    title = headline_sentence(records.comparisons, baseline)
    (out / "report.html").write_text(page(title, findings, sections, records), encoding="utf-8")


def html_sections(records: Records, baseline: str, folder: Path) -> list[tuple[str, str]]:
    """Draw all figures into `folder`; return (heading, HTML) of the page's sections."""
    from reports.figures import draw_compute, score_figures, training_figures

    several = len(records.comparisons) > 1
    sections = []
    if several:
        sections.append(("Models and mixtures", html_table(overview_table(records.comparisons, baseline), "wrapped")))
    for number, compared in enumerate(records.comparisons, start=1):
        for each in compared.on_each_set():
            training, missing = training_figures(each) if each.on_first_set else ({}, [])
            content = html_table(gain_table(each, baseline)) + html_table(score_table(each))
            for name, (draw, caption) in {**score_figures(each, baseline), **training}.items():
                words = [str(number)] * several + [name] + [each.evaluated] * (not each.on_first_set)
                content += figure(draw, folder, file_name("-".join(words)), each.title, caption)
            content += "".join(f'<p class="note">{line}</p>\n' for line in missing)
            sections.append((each.title, content))
    found, left_out = trends(records.comparisons, baseline)
    place = int(several) if any(trend.slope is not None for trend in found) else len(sections)
    sections.insert(place, ("Gain against pre-training compute",
                            compute_section(found, left_out, folder, draw_compute)))
    return sections


def compute_section(found: list[Trend], left_out: list[str], folder: Path,
                    draw: "Callable[[list[Trend], bool], Figure]") -> str:
    """Return the figure of gains against compute, or what it needs, as HTML."""
    content = ""
    if any(trend.slope is not None for trend in found):
        content = figure(lambda narrow: draw(found, narrow), folder, "compute", "Gain against pre-training compute",
                         "Each model's gain against the FLOPs of its pre-training; the lines are least-squares fits of "
                         "the models' means; where one crosses zero (a circle), averaging and fine-tuning are even.")
    else:
        content = '<p>The figure needs at least 2 models of known and different pre-training compute.</p>\n'
    return content + html_list([*(trend.sentence() for trend in found), *left_out])


def figure(draw: "Callable[[bool], Figure]", folder: Path, name: str, title: str, caption: str) -> str:
    """Write one figure's files; return its HTML."""
    from reports.style import data_uri, write_figure

    wide = draw(False)
    write_figure(wide, folder, name)
    return html_figure(data_uri(wide), data_uri(draw(True)), title, caption)


if __name__ == "__main__":
    begin()
    sys.exit(main())
