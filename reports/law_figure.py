"""The figures of the law: gain against representation power, compute, and the factors behind them."""

import math
from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.axes import COMPUTE, FIGURE_1, POWER, WORDS, Axis
from reports.law import Law
from reports.pretraining import published_points
from reports.style import GREY, INK, NARROW, WIDE, legend, panels, short, styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARGIN = 0.08  # of the axis on either side
PLACES = 30  # at which the band is drawn
NAMED = (POWER, COMPUTE, WORDS)  # axes above which the rungs' names stand; the factors say which one it is
UNLEARNT, CROSS = "averaging has not learnt", {"marker": "x", "color": INK, "linestyle": "none", "markersize": 9}
ALONG = 0.045  # the least distance of two rungs' names, in parts of the axis


def draw_laws(laws: Sequence[Law], axes: Sequence[Axis], narrow: bool) -> "Figure":
    """Gain against each axis (column) of each mixture (row): test rows filled, further sets hollow."""
    mixtures = list(dict.fromkeys(law.mixture for law in laws if law.axis in axes))
    style = styles(mixtures)
    figure, grid = panels(len(mixtures) * len(axes), NARROW if narrow else WIDE, 1 if narrow else len(axes),
                          3.3 if narrow else 2.7)
    handles: dict[str, Any] = {}
    for panel, (mixture, axis) in zip(grid, product(mixtures, axes)):
        some = [law for law in laws if (law.mixture, law.axis) == (mixture, axis)]
        others = published(mixture) if axis == FIGURE_1 else {}
        low, high = ends(some, others)
        for law in sorted(some, key=order):
            handles[label(law)] = draw_law(panel, law, style[mixture], np.linspace(*ends(some), PLACES))
        if others:
            handles["as published"], = panel.plot([*others], [*others.values()], marker="s", color=GREY, linewidth=0.8)
        panel.axhline(0, color=INK, linewidth=1)
        panel.set_xlim(low, high)
        dress(panel, axis, some)
        panel.set_ylabel(f"{short(mixture, 20)}: gain, points")
        if narrow or panel.get_subplotspec().is_last_row():
            panel.set_xlabel(axis.label)
        if axis in NAMED and (narrow or panel.get_subplotspec().is_first_row()):
            name_rungs(panel, {point.rung: point.x for law in some for point in law.points}, low, high)
    shown = [name for name in dict.fromkeys([*map(label, laws), *handles]) if name in handles]  # test rows first
    if any(law.unlearnt for law in laws if law.axis in axes):
        shown.append(UNLEARNT)
        handles[UNLEARNT], = panel.plot([], [], **CROSS)
    legend(figure, [handles[name] for name in shown], shown, 1 if narrow else 3)
    return figure


def label(law: Law) -> str:
    """Return what the legend calls a mixture on a set."""
    return f"{law.mixture}, {law.evaluated}"


def order(law: Law) -> tuple[bool, str]:
    """What a panel draws first: further sets, then the test rows above them."""
    return law.in_domain, law.evaluated


def published(mixture: str) -> dict[float, float]:
    """Return {place on figure 1's axis: published gain in points} of a mixture; empty for one that is not there."""
    return {math.log10(point.compute): point.gains[mixture] for point in published_points() if mixture in point.gains}


def ends(laws: Sequence[Law], others: Iterable[float] = ()) -> tuple[float, float]:
    """Return the ends of a panel's axis, which has `others` on it, too."""
    places = [*(point.x for law in laws for point in law.points), *others] or [0.0]
    margin = MARGIN * (max(places) - min(places)) or 1.0
    return min(places) - margin, max(places) + margin


def draw_law(panel: Any, law: Law, style: tuple, places: np.ndarray) -> Any:
    """Draw one law's points, line, band and crossing; return what stands for it in the legend."""
    colour, dash, marker = style
    x, y = [point.x for point in law.points], [100 * point.gain.mean for point in law.points]
    errors = [100 * (point.gain.half_width or 0) for point in law.points]
    aside = 0 if law.in_domain else 0.006 * (places[-1] - places[0])  # so that equal gains do not hide each other
    fill = "full" if law.in_domain else "none"
    drawn = panel.errorbar([place + aside for place in x], y, yerr=errors, fmt=marker, color=colour, fillstyle=fill,
                           capsize=2, markersize=6, elinewidth=0.8, alpha=1 if law.in_domain else 0.75)
    losses = [(place + aside, height) for place, height, point in zip(x, y, law.points) if not point.gain.learnt]
    panel.plot([place for place, _ in losses], [height for _, height in losses], **CROSS)
    if law.line is not None:
        heights = [law.line.at(place) for place in places]
        panel.plot(places, [100 * each.mean for each in heights], linestyle=dash if law.in_domain else ":",
                   color=colour)
        if law.has_interval:
            panel.fill_between(places, [100 * each.low for each in heights], [100 * each.high for each in heights],
                               color=colour, alpha=0.15 if law.in_domain else 0.06, linewidth=0)
        if law.in_domain:
            draw_crossing(panel, law, colour, places)
    return drawn


def draw_crossing(panel: Any, law: Law, colour: str, places: np.ndarray) -> None:
    """Mark where the line is zero, with its interval as a bar on the zero line, as far as the panel goes."""
    found = law.line.crossing if law.line else None
    if found is None:
        return
    low, high = max(found.low, places[0]), min(found.high, places[-1])
    if law.has_interval and low < high:
        panel.plot([low, high], [0, 0], color=colour, linewidth=5, alpha=0.35, solid_capstyle="butt")
    if places[0] <= found.at <= places[-1]:
        panel.plot([found.at], [0], marker="o", markersize=10, color=colour, fillstyle="none")


def dress(panel: Any, axis: Axis, laws: Sequence[Law]) -> None:
    """Write the axis's values where it has a logarithm: at whole powers, or at the rungs where these are few."""
    if not axis.base:
        return
    low, high = panel.get_xlim()
    whole = [float(place) for place in range(math.ceil(low), math.floor(high) + 1)]
    whole = whole[::max(1, -(-len(whole) // 6))]
    places = sorted({round(point.x, 3) for law in laws for point in law.points})
    ticks = whole if len(whole) > 1 else places if len(places) < 6 else places[::len(places) // 3]
    panel.set_xticks(ticks, [axis.shown(place) for place in ticks])


def name_rungs(panel: Any, rungs: dict[str, float], low: float, high: float) -> None:
    """Write the rungs' names above a panel, each with a line to its place; names that are close move apart."""
    names = sorted(rungs, key=rungs.__getitem__)
    wanted = [(rungs[name] - low) / (high - low) for name in names]
    for name, place, at in zip(names, wanted, spread(wanted, ALONG)):
        panel.annotate(short(name, 40), (place, 1.0), (at, 1.06), xycoords="axes fraction", textcoords="axes fraction",
                       rotation=50, rotation_mode="anchor", ha="left", va="center", fontsize=7,
                       arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 0})


def spread(places: Sequence[float], apart: float) -> list[float]:
    """Return rising places moved so far that any two are this far apart; those that touch keep their middle."""
    groups: list[list[float]] = []  # of touching places: [their wanted middle, how many]
    for place in places:
        groups.append([place, 1])
        while len(groups) > 1 and groups[-1][0] - groups[-2][0] < apart * (groups[-1][1] + groups[-2][1]) / 2:
            middle, count = groups.pop()
            before, others = groups.pop()
            groups.append([(middle * count + before * others) / (count + others), count + others])
    return [middle + apart * (k - (count - 1) / 2) for middle, count in groups for k in range(int(count))]
