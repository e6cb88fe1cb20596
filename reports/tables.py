"""The tables of a report, and how they are written: Markdown, LaTeX, CSV."""

import csv
import io
import re
import statistics
from dataclasses import dataclass, field

from reports.gains import Gain, averaging, gain, unpaired
from reports.records import Comparison

MISSING = "—"
STEP = ("step: how far a round moves the model, over how far the plain mean of its updates would; the mean over rounds "
        "and runs. Methods of other steps differ by their length, too: --match_norm makes it the mean's.")


@dataclass(frozen=True)
class ReportTable:
    """Cells are plain text; each way of writing escapes them its own way. `notes` are sentences below it."""

    caption: str
    rows: list[list[str]]  # header first
    notes: list[str] = field(default_factory=list)


def signed(value: float) -> str:
    """Return points of a hundred with their sign, one decimal."""
    return f"{100 * value:+.1f}".replace("-", "−")


def mean_and_deviation(values: list[float]) -> tuple[float, float | None]:
    """Return the mean and the sample standard deviation, which one value has not (None)."""
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None


def score_cell(values: list[float]) -> str:
    """Return `mean ± sample standard deviation` in points of a hundred, without the latter for one value."""
    mean, deviation = mean_and_deviation(values)
    spread = "" if deviation is None else f" ± {100 * deviation:.1f}"
    return f"{100 * mean:.1f}{spread}".replace("-", "−")


def gain_cell(found: Gain) -> str:
    """Return `mean [low, high]`, without the interval for one seed."""
    if not found.differences:
        return MISSING
    return signed(found.mean) + (f" [{', '.join(map(signed, found.interval))}]" if found.interval else "")


def step_ratios(compared: Comparison) -> dict[str, float]:
    """Return {method: the length of its steps over the plain mean's}, the mean over its runs that have it recorded."""
    ratios = {method: [run.step_ratio for run in runs if run.step_ratio is not None]
              for method, runs in compared.methods.items()}
    return {method: statistics.mean(some) for method, some in ratios.items() if some}


def score_table(compared: Comparison) -> ReportTable:
    """Mean ± std of each method, over all domains and in each; where steps are of other lengths than means', those."""
    steps = step_ratios(compared)
    with_steps = any(f"{ratio:.2g}" != "1" for ratio in steps.values())
    rows = [["method", "seeds", "rows trained", *["step"] * with_steps, compared.metric, *compared.domains]]
    means = {}
    for method, runs in compared.methods.items():
        trained = sorted({run.rows_trained for run in runs})
        scores = [[compared.score(run, domain) for run in runs] for domain in (None, *compared.domains)]
        means[method] = statistics.mean(scores[0])
        rows.append([method, str(len(runs)), " to ".join(f"{n:g}" if n % 1 else str(int(n))
                                                         for n in dict.fromkeys((trained[0], trained[-1]))),
                     *[f"{steps[method]:.2g} ×" if method in steps else MISSING] * with_steps,
                     *map(score_cell, scores)])
    floors = [compared.majority(domain) for domain in (None, *compared.domains)]
    if floor_cells := [score_cell([floor]) for floor in floors if floor is not None]:
        rows.append(["majority class", "", "0", *[""] * with_steps, *floor_cells])
    best = [method for method, mean in means.items() if abs(mean - max(means.values())) < 1e-12]
    notes = [f"Tie for the best mean: {', '.join(best)}."] if len(best) > 1 else []
    notes += [STEP] if with_steps else []
    notes += lacking_clients(compared)
    notes += [f"Not compared on {name}: not all of these runs have it, with as many rows."
              for name, same in compared.further_sets().items() if compared.on_first_set and not same]
    return ReportTable(f"Scores: {compared.title}", rows, notes)


def lacking_clients(compared: Comparison) -> list[str]:
    """Return a sentence for each run in which a round's mean was made without some participants."""
    return [f"{method}, seed {run.seed}: clients are missing ({run.left_out})."
            for method, runs in compared.methods.items() for run in runs if run.left_out]


def gain_table(compared: Comparison, baseline: str) -> ReportTable:
    """The gain of each other method over the baseline, over all domains and in each."""
    rows = [["method", "pairs", f"gain over {baseline}", "verdict", *compared.domains]]
    for method in compared.methods:
        if method == baseline:
            continue
        overall = gain(compared, method, baseline)
        parts = (gain(compared, method, baseline, domain) for domain in compared.domains)
        rows.append([method, str(len(overall.differences)), gain_cell(overall), overall.verdict,
                     *map(gain_cell, parts)])
    return ReportTable(f"Gains: {compared.title}", rows,
                       unpaired(compared, baseline) + lacking_clients(compared))


def overview_table(comparisons: list[Comparison], baseline: str) -> ReportTable:
    """The overall gain of each model (row) and mixture (column)."""
    methods = list(dict.fromkeys(method for compared in comparisons for method in averaging(compared)))
    rows = [["model", *methods]]
    for compared in comparisons:
        row = [compared.title]
        for method in methods:
            found = gain(compared, method, baseline)
            row.append("no runs" if method not in compared.methods else f"{gain_cell(found)} ({found.verdict})"
                       if found.differences else found.verdict)
        rows.append(row)
    return ReportTable(f"Gain over {baseline}, by model and mixture", rows)


def plain(text: str) -> str:
    """Return text as one printable line: what a record holds must not steer a terminal or break a table."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def markdown(table: ReportTable) -> str:
    """Return a table as aligned GitHub Markdown, its caption above and its notes below."""
    rows = [[markdown_text(cell) for cell in row] for row in table.rows]
    widths = [max(3, *map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    return "\n".join([markdown_text(table.caption), "", *lines, *(f"\n{markdown_text(note)}" for note in table.notes)])


def markdown_text(text: str) -> str:
    """Escape what would end a cell or begin a tag, a link, an image or code."""
    return re.sub(r"([\\|<`*]|\[(?=[^\]]*\]\())", r"\\\1", plain(text))


LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": "$-$",
         "×": r"$\times$", "—": "---", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
         '"': r"\textquotedbl{}",
         "[": "{[}", "]": "{]}", **{letter: "\\" + letter for letter in "&%$#_{}"}}


def latex_text(text: str) -> str:
    """Escape what TeX would take for a command; `[` because it may follow a line's end."""
    return "".join(LATEX.get(letter, letter) for letter in plain(text))


def latex(table: ReportTable) -> str:
    """Return a table as a LaTeX `table` of booktabs rules (\\usepackage{booktabs})."""
    header, *rows = (" & ".join(map(latex_text, row)) + r" \\" for row in table.rows)
    notes = [r"\par\footnotesize " + latex_text(note) for note in table.notes]
    return "\n".join([r"\begin{table}", r"\centering", rf"\caption{{{latex_text(table.caption)}}}",
                      rf"\begin{{tabular}}{{l{'r' * (len(table.rows[0]) - 1)}}}", r"\toprule", header, r"\midrule",
                      *rows, r"\bottomrule", r"\end{tabular}", *notes, r"\end{table}"])


CSV_COLUMNS = ("task", "model", "comparison", "method", "domain", "metric", "seeds", "mean", "std", "baseline", "pairs",
               "gain", "gain_low", "gain_high", "verdict", "seeds_lacking_clients", "step_ratio")


def csv_text(comparisons: list[Comparison], baseline: str) -> str:
    """Return one line for each comparison, method and domain ("" is the macro average), in unrounded numbers.

    Scores and gains are parts of 1; what does not exist (an interval of one seed) is empty. A further evaluation set's
    lines follow, with its name in `comparison`. `seeds_lacking_clients`: of a method's `seeds`, those in whose runs a
    round's mean was made without some participants. `step_ratio`: the length of its steps over the plain mean's.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for compared in (each for one in comparisons for each in one.on_each_set()):
        steps = step_ratios(compared)
        for method, runs in compared.methods.items():
            for domain in (None, *compared.domains):
                mean, deviation = mean_and_deviation([compared.score(run, domain) for run in runs])
                row: dict[str, object] = {
                    "task": compared.task, "model": compared.model, "comparison": compared.title, "method": method,
                    "domain": domain or "", "metric": compared.metric, "mean": mean, "std": deviation,
                    "step_ratio": steps.get(method),
                    "seeds": " ".join(str(run.seed) for run in runs),
                    "seeds_lacking_clients": " ".join(str(run.seed) for run in runs if run.left_out)}
                if method != baseline:
                    found = gain(compared, method, baseline, domain)
                    row |= {"baseline": baseline, "pairs": len(found.differences), "verdict": found.verdict}
                    if found.differences:
                        row["gain"] = found.mean
                    if found.interval:
                        row["gain_low"], row["gain_high"] = found.interval
                writer.writerow(row)
    return out.getvalue()
