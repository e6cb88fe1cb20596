"""The sections of the page: tables and figures of each comparison, and the gain against compute."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from reports.compute import Trend, trends
from reports.compute_figure import draw_compute
from reports.contents import Contents, about_all_sets
from reports.figures import score_figures, sets_figure
from reports.page import html_figure, html_list, html_table
from reports.sets_table import side_by_side
from reports.style import data_uri, write_figure
from reports.training_figures import training_figures
from utils.file_names import file_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def html_sections(contents: Contents, folder: Path) -> list[tuple[str, str]]:
    """Draw all figures into `folder`; return (heading, HTML) of the page's sections."""
    several = len(contents.judged) > 1
    sections = [("Models and mixtures", html_table(table, "wrapped")) for table in contents.overview()]
    for number, sets in enumerate(contents.judged, start=1):
        for judged in sets:
            each = judged.compared
            first = each.on_first_set
            training, missing = training_figures(each) if first else ({}, [])
            scores, gains, *others = contents.tables_of(judged)
            content = "".join(map(html_table, (gains, scores, *others, *(about_all_sets(sets) if first else ()))))
            beside = sets_figure(side_by_side(sets)) if first else {}
            for name, (draw, caption) in {**score_figures(judged), **beside, **training}.items():
                words = [str(number)] * several + [name] + [each.evaluated] * (not first)
                content += figure(draw, folder, file_name("-".join(words)), each.title, caption)
            content += "".join(f'<p class="note">{line}</p>\n' for line in missing)
            sections.append((each.title, content))
    found, left_out = trends(contents.on_test)
    place = int(several) if any(trend.slope is not None for trend in found) else len(sections)
    sections.insert(place, ("Gain against pre-training compute", compute_section(found, left_out, folder)))
    return sections


def compute_section(found: list[Trend], left_out: list[str], folder: Path) -> str:
    """Return the figure of gains against compute, or what it needs, as HTML."""
    if any(trend.slope is not None for trend in found):
        content = figure(lambda narrow: draw_compute(found, narrow), folder, "compute",
                         "Gain against pre-training compute",
                         "Each model's gain against the FLOPs of its pre-training; the lines are least-squares fits of "
                         "the models' means; where one crosses zero (a circle), averaging and fine-tuning are even.")
    else:
        content = '<p>The figure needs at least 2 models of known and different pre-training compute.</p>\n'
    return content + html_list([*(trend.sentence() for trend in found), *left_out])


def figure(draw: Callable[[bool], "Figure"], folder: Path, name: str, title: str, caption: str) -> str:
    """Write one figure's files; return its HTML."""
    wide = draw(False)
    write_figure(wide, folder, name)
    return html_figure(data_uri(wide), data_uri(draw(True)), title, caption)
