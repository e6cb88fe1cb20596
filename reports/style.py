"""How the figures look and how they are written: for print, for slides, and inside a page.

Okabe and Ito's colours with dashes, markers and hatches beside them, so that no figure needs its colours.
"""

import base64
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.baselines import SCHEDULE
from reports.tables import plain
from utils.machine.environment import FIGURES, leave_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE, NARROW = 9.0, 4.2  # inches
INK = "#010102"  # text, axes, standard fine-tuning: a page's own ink replaces it (SVG leaves out plain black)
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, ORANGE, YELLOW, GREY = "#56B4E9", "#E69F00", "#F0E442", "#8A8A8A"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE)
HATCHES = ("", "//", "\\\\", "xx", "--", "||", "++", "")
METHODS = {"centralized": (INK, "-", "o"), "centralized-keep": (GREY, (0, (5, 1)), "s"), "iid": (BLUE, "-", "^"),
           "noniid": (VERMILION, "--", "D")}
OTHERS = [(GREEN, "-.", "v"), (PURPLE, ":", "P"), (SKY, (0, (3, 1, 1, 1)), "X"), (ORANGE, (0, (1, 1)), "<"),
          (BLUE, (0, (5, 1)), "*"), (VERMILION, "-.", ">"), (GREEN, ":", "p"), (PURPLE, "-", "h"), (GREY, "--", "d")]


def styles(methods: Iterable[str]) -> dict[str, tuple]:
    """Return {method: (colour, dash, marker)}: the same for the four common ones in every figure.

    One of another schedule, as iid-linear, has that of the common one where this is not there.
    """
    names = [*methods]
    common = {name: METHODS[name] for name in names if name in METHODS}
    for name in names:
        plain = re.sub(f"{SCHEDULE}$", "", name)
        if plain in METHODS and METHODS[plain] not in common.values():
            common[name] = METHODS[plain]
    others = cycle(OTHERS)
    return {name: common.get(name) or next(others) for name in names}


@contextmanager
def drawing() -> Iterator[None]:
    """Set matplotlib's settings while figures are made, whatever the user's own are.

    A record's `$` is no formula, its `_` no hidden label.
    """
    leave_out([FIGURES])
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({
            "text.parse_math": False, "svg.fonttype": "path", "svg.hashsalt": "report", "font.size": 9,
            "axes.titlesize": 9.5, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": INK,
            "axes.labelcolor": INK, "axes.grid": True, "axes.axisbelow": True, "grid.color": GREY, "grid.alpha": 0.25,
            "text.color": INK, "xtick.color": INK, "ytick.color": INK, "lines.linewidth": 1.6,
            "lines.markersize": 4.5, "hatch.linewidth": 0.6, "legend.frameon": False, "pdf.fonttype": 42})
        yield


def panels(count: int, width: float, columns: int, height: float = 2.3, **subplots: Any) -> tuple:
    """Return a figure of `count` panels in at most `columns` columns, `width` inches wide, and its axes [count]."""
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width, height * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **subplots).flatten()
    for axis in grid[count:]:
        axis.remove()
    return figure, grid[:count]


def short(text: str, limit: int = 40) -> str:
    """Return a label of a record as one printable line, cut where it would fill a figure."""
    line = plain(text)
    return line if len(line) <= limit else line[:limit - 1] + "…"


def legend(figure: "Figure", handles: list, labels: list[str], columns: int) -> None:
    """Put one legend below all panels, in at most so many columns: fewer where it would be wider than the figure."""
    words = [" " + short(label) for label in labels]  # a space: matplotlib hides a label that begins with `_`
    for ncols in range(min(columns, len(labels)), 0, -1):
        drawn = figure.legend(handles, words, loc="outside lower center", ncols=ncols)
        if ncols == 1 or drawn.get_window_extent().width <= figure.bbox.width:
            return
        drawn.remove()


def write_figure(figure: "Figure", folder: Path, name: str) -> list[Path]:
    """Write a figure as PDF (for print) and PNG (for slides) and return the paths."""
    paths = [folder / f"{name}.{kind}" for kind in ("pdf", "png")]
    figure.savefig(paths[0], metadata={"CreationDate": None})
    figure.savefig(paths[1], dpi=150)
    return paths


def data_uri(figure: "Figure") -> str:
    """Return a figure as an SVG image in a `data:` URI, transparent, whose ink follows the page's light or dark."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<!DOCTYPE.*?>|<\?xml.*?\?>", "", buffer.getvalue(),
                 flags=re.S).replace(INK, "currentColor")
    ink = "<style>:root{color:#1b1b1f}@media(prefers-color-scheme:dark){:root{color:#e8e8ec}}</style>"
    svg = re.sub(r"(<svg\b.*?>)", lambda tag: tag.group(1) + ink, svg, count=1, flags=re.S)
    return "data:image/svg+xml;base64," + base64.b64encode(svg.strip().encode()).decode()
