"""The sections of the page: tables and figures of each comparison, and the gain against compute."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reports.axes import COMPUTE, FACTORS, FIGURE_1, POWER, WORDS
from reports.contents import LAW, Contents, about_all_sets
from reports.figures import score_figures, sets_figure
from reports.law_figure import draw_laws
from reports.law_table import HOW_LAW
from reports.page import html_figure, html_list, html_table, text
from reports.sets_table import side_by_side
from reports.style import data_uri, write_figure
from reports.training_figures import training_figures
from utils.file_names import file_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MOST_DRAWN = 10  # comparisons: each has some ten figures, of half a second and more
HOW_FIGURE = ("Each model's gain over its strongest baseline, with 95 % intervals; filled: test rows, hollow: further "
              "sets. The lines are least-squares fits, the bands their 95 % intervals over seeds and test rows; where "
              "one crosses zero (a circle; the bar is its interval), averaging and the baseline are even.")
PUBLISHED = ("Grey: figure 1 as published, over standard fine-tuning (Chung et al., FL@FM-NeurIPS 2023). Others: the "
             "models here. ")
OF_FACTORS = "Models pre-trained in miniature that differ in one thing alone. "


def html_sections(contents: Contents, folder: Path, all_figures: bool = False) -> list[tuple[str, str]]:
    """Draw the figures into `folder`; return (heading, HTML) of the page's sections.

    Of more than MOST_DRAWN comparisons those of each are drawn only with `all_figures`.
    """
    several, each_drawn = len(contents.judged) > 1, all_figures or len(contents.judged) <= MOST_DRAWN
    sections = [("Models and mixtures", html_table(table, "wrapped")) for table in contents.overview()]
    for number, sets in enumerate(contents.judged, start=1):
        for judged in sets:
            each = judged.compared
            first = each.on_first_set
            training, missing = training_figures(each) if first and each_drawn else ({}, [])
            scores, gains, *others = contents.tables_of(judged)
            content = "".join(map(html_table, (gains, scores, *others, *(about_all_sets(sets) if first else ()))))
            beside, more = sets_figure(side_by_side(sets)) if first else ({}, [])
            drawn = {**score_figures(judged), **beside, **training} if each_drawn else {}
            missing = [*missing, *more] if each_drawn else [
                "Figures of each of so many comparisons: --all_figures."] * first
            for name, (draw, caption) in drawn.items():
                words = [str(number)] * several + [name] + [each.evaluated] * (not first)
                content += figure(draw, folder, file_name("-".join(words)), each.title, caption)
            content += "".join(f'<p class="note">{line}</p>\n' for line in missing)
            sections.append((each.title, content))
    sections.insert(0 if contents.laws else len(sections), (LAW, law_section(contents, folder)))
    return sections


def law_section(contents: Contents, folder: Path) -> str:
    """Return the figures and tables of the law, or what it needs, as HTML."""
    content = ""
    several = len({law.ladder for law in contents.laws}) > 1
    for number, ladder in enumerate(dict.fromkeys(law.ladder for law in contents.laws), start=1):
        some = [law for law in contents.laws if law.ladder == ladder]
        there = {law.axis for law in some}
        for name, axes, caption in (("law", (POWER, COMPUTE, WORDS), ""), ("factors", FACTORS, OF_FACTORS),
                                    ("published", (FIGURE_1,), PUBLISHED)):
            if shown := [axis for axis in axes if axis in there]:
                content += figure(partial(draw_laws, some, shown), folder, f"{number}-{name}" if several else name,
                                  ladder, caption + HOW_FIGURE)
    how = f'<p class="note">{text(HOW_LAW)}</p>\n' if contents.laws else ""
    return content + "".join(map(html_table, contents.about_law())) + html_list(contents.law_notes) + how


def figure(draw: Callable[[bool], "Figure"], folder: Path, name: str, title: str, caption: str) -> str:
    """Write one figure's files; return its HTML."""
    wide = draw(False)
    write_figure(wide, folder, name)
    return html_figure(data_uri(wide), data_uri(draw(True)), title, caption)
