"""The figure of gains against pre-training compute, of all comparisons."""

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from reports.compute import Trend, power_of_ten
from reports.style import INK, METHODS, NARROW, WIDE, legend, panels, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_compute(trends: list[Trend], narrow: bool) -> "Figure":
    """Gain against log pre-training compute, IID and non-IID, with the fitted line and where it crosses zero."""
    tasks: dict[str, list[Trend]] = defaultdict(list)
    for trend in trends:
        if trend.points:
            tasks[trend.task].append(trend)
    figure, axes = panels(len(tasks), NARROW if narrow else WIDE, 1 if narrow else min(2, len(tasks)), 3.2)
    handles = {}
    for axis, (task, found) in zip(axes, tasks.items()):
        flops = sorted({(point.flops, point.model) for trend in found for point in trend.points})
        low, high = math.log10(flops[0][0]), math.log10(flops[-1][0])
        for place, trend in enumerate(found):
            colour, dash, marker = METHODS[trend.mixture]
            aside = 10 ** ((place - 0.5) * 0.02 * ((high - low) or 1))  # so that equal gains do not hide each other
            handles[trend.mixture] = axis.errorbar(
                [point.flops * aside for point in trend.points], [100 * point.gain.mean for point in trend.points],
                yerr=[100 * (point.gain.half_width or 0) for point in trend.points], fmt=marker, color=colour,
                capsize=3, markersize=6)
            if trend.slope is None:
                continue
            margin = 0.15 * (high - low)
            ends = [low - margin, high + margin]
            axis.plot([10 ** end for end in ends], [100 * (trend.slope * end + trend.offset) for end in ends],
                      linestyle=dash, color=colour, marker="")
            if trend.crossing is not None and ends[0] <= trend.crossing <= ends[1]:
                axis.plot([10 ** trend.crossing], [0], marker="o", markersize=10, color=colour, fillstyle="none")
        axis.axhline(0, color=INK, linewidth=1)
        axis.set_xscale("log")
        margin = 0.2 * (high - low) or 1.0
        axis.set_xlim(10 ** (low - margin), 10 ** (high + margin))
        axis.xaxis.set_major_formatter(lambda flops, _: power_of_ten(math.log10(flops)))
        axis.xaxis.set_minor_formatter(lambda flops, _: "")
        if high - low < 1.5:  # too few powers of ten to read the axis by
            axis.set_xticks([10 ** (low + share * (high - low)) for share in ((0, 0.5, 1) if high > low else (0,))])
            axis.minorticks_off()
        above = axis.secondary_xaxis("top")
        above.set_xticks([compute for compute, _ in flops], [short(model, 24) for _, model in flops], rotation=30,
                         ha="left", rotation_mode="anchor")
        above.minorticks_off()
        above.spines["top"].set_visible(False)
        axis.set_title(short(task))
        axis.set_xlabel("pre-training compute, FLOPs (6·N·D)")
        axis.set_ylabel("gain, points")
    legend(figure, [*handles.values()], [*handles], 2)
    return figure
