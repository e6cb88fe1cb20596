"""Tables and how they are written: Markdown, LaTeX."""

import re
import statistics
from dataclasses import dataclass, field

MISSING = "—"


@dataclass(frozen=True)
class ReportTable:
    """Cells are plain text; each way of writing escapes them its own way. `notes` are sentences below it."""

    caption: str
    rows: list[list[str]]  # header first
    notes: list[str] = field(default_factory=list)


def signed(value: float, digits: int = 1) -> str:
    """Return points of a hundred with their sign, so many decimals."""
    return f"{100 * value:+.{digits}f}".replace("-", "−")


def p_shown(value: float | None) -> str:
    """Return a p value as tables have it."""
    return MISSING if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def mean_and_deviation(values: list[float]) -> tuple[float, float | None]:
    """Return the mean and the sample standard deviation, which one value has not (None)."""
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None


def score_cell(values: list[float]) -> str:
    """Return `mean ± sample standard deviation` in points of a hundred, without the latter for one value."""
    mean, deviation = mean_and_deviation(values)
    spread = "" if deviation is None else f" ± {100 * deviation:.1f}"
    return f"{100 * mean:.1f}{spread}".replace("-", "−")


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
