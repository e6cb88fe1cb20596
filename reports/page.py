"""The report as one HTML page that needs nothing else: no network, no script, figures inside it."""

from html import escape
from pathlib import Path

from reports.gains import HOW
from reports.records import Records
from reports.runs import FinishedRun, UnfinishedRun
from reports.tables import ReportTable, plain

STYLE = Path(__file__).with_name("page.css")


def text(value: object) -> str:
    """Return what a record holds as HTML text, also inside quotes."""
    return escape(plain(str(value)), quote=True)


def html_list(sentences: list[str]) -> str:
    """Return a list of sentences, or nothing."""
    return "<ul>" + "".join(f"<li>{text(sentence)}</li>\n" for sentence in sentences) + "</ul>\n" if sentences else ""


def html_table(table: ReportTable, look: str = "") -> str:
    """Return a table in a box of its own that scrolls where it is too wide; `look`: words or wrapped, of page.css."""
    header, *rows = table.rows
    head = "".join(f'<th scope="col">{text(cell)}</th>' for cell in header)
    body = "".join(f'<tr><th scope="row">{text(row[0])}</th>{"".join(map(data_cell, row[1:]))}</tr>\n' for row in rows)
    notes = "".join(f'<p class="note">{text(note)}</p>' for note in table.notes)
    return (f'<div class="scroll {look}" role="region" tabindex="0" '
            f'aria-label="{text(table.caption)}"><table><caption>{text(table.caption)}</caption>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>{notes}\n")


def data_cell(cell: str) -> str:
    """Return one cell; a verdict gets its colour beside its word."""
    verdict = cell if cell in ("ahead", "behind") else ""
    verdict = verdict or next((word for word in ("ahead", "behind") if cell.endswith(f"({word})")), "")
    return f'<td class="{verdict}">{text(cell)}</td>' if verdict else f"<td>{text(cell)}</td>"


def html_figure(wide: str, narrow: str, title: str, caption: str) -> str:
    """Return a figure of two `data:` URIs, the second for phones."""
    return (f'<figure><picture><source media="(max-width: 40rem)" srcset="{narrow}">'
            f'<img src="{wide}" alt="{text(f"{title}. {caption}")}"></picture>'
            f"<figcaption>{text(caption)}</figcaption></figure>\n")


def runs_section(records: Records) -> str:
    """Return every run with the flags that differ between runs, and once those that all share."""
    finished = [run for compared in records.comparisons for runs in compared.methods.values() for run in runs]
    spent = [run for compared in records.comparisons for choice in compared.choices for run in choice.spent]
    runs: list[FinishedRun | UnfinishedRun] = [*finished, *spent, *records.not_looked_at,
                                                *records.unfinished]
    names = list(dict.fromkeys(name for run in runs for name in run.config["flags"]))
    values = {name: [str(run.config["flags"].get(name, "–")) for run in runs]  # –: of a plug-in that it did not choose
              for name in names}
    differing = [name for name in names if len({*values[name]}) > 1]
    rows = [["run", "state", "method", *(f"--{name}" for name in differing)]]
    for number, run in enumerate(runs):
        state = f"unfinished, not counted: {run.state}" if isinstance(run, UnfinishedRun) else (
            "finished" if number < len(finished) else "finished; another value was chosen"
            if number < len(finished + spent) else "finished, not counted: a seed that the rule has not looked at")
        rows.append([str(run.folder), state, run.config["method"], *(values[name][number] for name in differing)])
    shared = "".join(f"<div><dt>--{text(name)}</dt><dd>{text(values[name][0]) or '(empty)'}</dd></div>\n"
                     for name in names if name not in differing)
    table = ReportTable("Every run, with the flags that differ between runs", rows)
    return (f"<h2>Runs</h2>\n{html_table(table, 'words')}"
            f"<details><summary>The flags that all runs share</summary><dl>{shared}</dl></details>\n")


def page(title: str, findings: list[str], sections: list[tuple[str, str]], records: Records) -> str:
    """Return the page: the headline, the findings, (heading, HTML) of each section, the runs."""
    body = "".join(f"<section><h2>{text(heading)}</h2>\n{content}</section>\n" for heading, content in sections)
    models = len({compared.model for compared in records.comparisons})
    runs = sum(len(runs) for compared in records.comparisons for runs in compared.methods.values())
    left = f", {len(records.unfinished)} unfinished and not counted" if records.unfinished else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(title)}</title>
<style>
{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<header>
<p class="kicker">Parameter averaging or fine-tuning? {models} model(s), {runs} finished runs{left}</p>
<h1>{text(title)}</h1>
{html_list(findings)}<p class="note">{text(HOW)}</p>
</header>
<main>
{body}<section>{runs_section(records)}</section>
</main>
</body>
</html>
"""
