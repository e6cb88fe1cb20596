"""The figures of one comparison, and the one of all. Each `draw(subject, narrow)` returns a matplotlib Figure.

`narrow` is for a phone: fewer panels side by side. Reads nothing but what reports.records has read.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from reports.compute import Trend, power_of_ten
from reports.gains import averaging, gain
from reports.records import Comparison
from reports.runs import FinishedRun
from reports.style import COLOURS, GREY, HATCHES, INK, METHODS, YELLOW, legend, panels, short, styles
from reports.tables import mean_and_deviation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE, NARROW = 9.0, 4.2  # inches
SHOWN_CLIENTS = 30


def draw_gains(compared: Comparison, baseline: str, narrow: bool) -> "Figure":
    """The gain of each mixture, over all domains and in each, with its interval."""
    methods = [name for name in averaging(compared) if name != baseline and gain(compared, name, baseline).differences]
    domains = (None, *compared.domains)
    figure, (axis,) = panels(1, NARROW if narrow else WIDE, 1,
                             max(1.4, (0.2 + 0.2 * len(methods)) * len(domains)))
    style, handles = styles(compared.methods), []
    for place, method in enumerate(methods):
        found = [gain(compared, method, baseline, domain) for domain in domains]
        rows = [row + (place - (len(methods) - 1) / 2) * 0.8 / max(2, len(methods)) for row in range(len(domains))]
        colour, _, marker = style[method]
        handles.append(axis.errorbar([100 * one.mean for one in found], rows,
                                     xerr=[100 * (one.half_width or 0) for one in found],
                                     fmt=marker, color=colour, capsize=3, markersize=6))
    axis.axvline(0, color=INK, linewidth=1)
    axis.set_yticks(range(len(domains)), [short(name or "all domains", 24) for name in domains])
    axis.set_ylim(len(domains) - 0.5, -0.5)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel(f"gain, points of {short(compared.metric)}")
    legend(figure, handles, methods, 2 if narrow else 4)
    return figure


def read_curve(compared: Comparison, run: FinishedRun) -> dict[int, tuple[float, dict[str | None, float]]]:
    """Return {round: (passes over all rows, {domain: score})} of each evaluation; domain None: the macro average."""
    domains = (None, *compared.domains)
    rows_of_a_pass = max(1, sum(sum(shard.values()) for shard in run.config["shards"]))
    curve, trained = {}, 0
    for record in run.rounds:
        trained += run.config["flags"]["epoch"] * sum(client["rows"] for client in record["clients"])
        if compared.evaluated in record:
            result = record[compared.evaluated]
            curve[record["round"]] = trained / rows_of_a_pass, {name: compared.in_domain(result, name)
                                                                for name in domains}
    return curve


def draw_curves(compared: Comparison, narrow: bool) -> "Figure":
    """The headline metric after each pass over the rows: mean over seeds, band of one standard deviation."""
    domains = (None, *compared.domains)
    figure, axes = panels(len(domains), NARROW if narrow else WIDE, 2 if narrow else min(5, -(-len(domains) // (
        1 + (len(domains) > 5)))), 1.9 if narrow else 2.5, sharey=True)
    handles, labels = [], []
    for method, (colour, dash, marker) in styles(compared.methods).items():
        curves = [read_curve(compared, run) for run in compared.methods[method]]
        common = sorted(set.intersection(*map(set, curves)))  # runs may have been evaluated in different rounds
        for axis, domain in zip(axes, domains):
            passes = [statistics.mean(curve[number][0] for curve in curves) for number in common]
            scores = [mean_and_deviation([curve[number][1][domain] for curve in curves]) for number in common]
            line, = axis.plot(passes, [mean for mean, _ in scores], linestyle=dash, color=colour, marker=marker)
            band = [(mean - std, mean + std) for mean, std in scores if std is not None]
            if band:
                axis.fill_between(passes, *zip(*band), color=colour, alpha=0.12, linewidth=0)
        handles.append(line)
        labels.append(method)
    if compared.majority() is not None:
        handles += [axis.axhline(compared.majority(domain), color=GREY, linewidth=1, linestyle=(0, (1, 3)))
                    for axis, domain in zip(axes, domains)][:1]
        labels.append("majority class")
    for axis, domain in zip(axes, domains):
        axis.set_title(short(domain or "all domains", 24))
        axis.set_xlabel("passes over all rows")
        if axis.get_subplotspec().is_first_col():
            axis.set_ylabel(short(compared.metric))
    legend(figure, handles, labels, 2 if narrow else 6)
    return figure


def shard_panels(compared: Comparison) -> list[tuple[str, list[dict]]]:
    """Return (title, per-client rows) for each different cut of the rows: by domain, and by label if recorded.

    The first seed of each method stands for all; methods with the same shards share a panel.
    """
    cuts: list[tuple[list[str], str, list[dict]]] = []
    for method, runs in compared.methods.items():
        for key, what in (("shards", "rows by domain"), ("shard_labels", "rows by label")):
            shards = runs[0].config.get(key, [])
            if len(shards) < 2 or not any(shards):  # one client holds all rows; labels are numbers
                continue
            same = next((cut for cut in cuts if cut[1:] == (what, shards)), None)
            if same:
                same[0].append(method)
            else:
                cuts.append(([method], what, shards))
    return [(f"{', '.join(methods)}: {what}", shards) for methods, what, shards in cuts]


def draw_shards(compared: Comparison, narrow: bool) -> "Figure":
    """Each client's rows of each domain (and label) as discs whose area is their number."""
    cuts = shard_panels(compared)
    tallest = max(min(len(shards), SHOWN_CLIENTS) for _, shards in cuts)
    figure, axes = panels(len(cuts), NARROW if narrow else WIDE, 1 if narrow else min(3, len(cuts)),
                          max(1.9, 0.7 + 0.36 * tallest))
    for axis, (title, shards) in zip(axes, cuts):
        shown, names = shards[:SHOWN_CLIENTS], list(dict.fromkeys(name for shard in shards for name in shard))
        most = max((rows for shard in shown for rows in shard.values()), default=0) or 1
        cells = [(column, row, shard.get(name, 0)) for row, shard in enumerate(shown)
                 for column, name in enumerate(names) if shard.get(name, 0)]
        axis.scatter([column for column, _, _ in cells], [row for _, row, _ in cells],
                     [260 * rows / most for _, _, rows in cells], color=COLOURS[0], alpha=0.55, linewidth=0)
        if len(names) <= 10:
            for column, row, rows in cells:
                axis.annotate(f"{rows:g}", (column, row), ha="center", va="center", fontsize=7.5)
        axis.set_xticks(range(len(names)), [short(name, 16) for name in names], rotation=35, ha="right",
                        rotation_mode="anchor")
        axis.set_yticks(range(len(shown)))
        axis.set_xlim(-0.6, len(names) - 0.4)
        axis.set_ylim(len(shown) - 0.4, -0.6)
        axis.set_ylabel("client")
        cut = f"\nfirst {SHOWN_CLIENTS} of {len(shards)} clients" if len(shards) > SHOWN_CLIENTS else ""
        axis.set_title(short(title, 48) + cut)
    return figure


def drifts(run: FinishedRun) -> dict[int, list[float]]:
    """Return {round: each client's L2 distance from the new mean}, of the rounds that record it."""
    found = {record["round"]: [client["drift"] for client in record["clients"] if "drift" in client]
             for record in run.rounds}
    return {number: values for number, values in found.items() if values}


def draw_drift(compared: Comparison, narrow: bool) -> "Figure":
    """The clients' distance from the mean, round by round: the line is their mean, the band from least to most."""
    figure, (axis,) = panels(1, NARROW if narrow else WIDE, 1, 2.6)
    handles, labels = [], []
    for method, (colour, dash, marker) in styles(compared.methods).items():
        clients: dict[int, list[float]] = defaultdict(list)
        for run in compared.methods[method]:
            for number, values in drifts(run).items():
                clients[number] += values
        if not clients or method.startswith("centralized"):  # one client is the mean
            continue
        rounds = sorted(clients)
        line, = axis.plot(rounds, [statistics.mean(clients[number]) for number in rounds], linestyle=dash, color=colour,
                          marker=marker)
        axis.fill_between(rounds, [min(clients[number]) for number in rounds],
                          [max(clients[number]) for number in rounds], color=colour, alpha=0.12, linewidth=0)
        handles.append(line)
        labels.append(method)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set_xlabel("round")
    axis.set_ylabel("L2 distance from the mean")
    axis.set_ylim(bottom=0)
    legend(figure, handles, labels, 2 if narrow else 4)
    return figure


def phase_seconds(runs: list[FinishedRun]) -> dict[str, float]:
    """Return {phase: seconds of a run}, the mean over runs."""
    total: dict[str, float] = defaultdict(float)
    for run in runs:
        for record in run.rounds:
            for phase, seconds in record.get("seconds", {}).items():
                total[phase] += seconds / len(runs)
    return dict(total)


def draw_time(compared: Comparison, narrow: bool) -> "Figure":
    """Where the seconds of a run go: one bar for each method."""
    times = {method: phase_seconds(runs) for method, runs in compared.methods.items()}
    phases = list(dict.fromkeys(phase for seconds in times.values() for phase in seconds))
    figure, (axis,) = panels(1, NARROW if narrow else WIDE, 1, 0.5 + 0.42 * len(times))
    left, handles = [0.0] * len(times), []
    for number, phase in enumerate(phases):
        widths = [seconds.get(phase, 0.0) for seconds in times.values()]
        handles.append(axis.barh(range(len(times)), widths, left=left, height=0.65, edgecolor=INK, linewidth=0.5,
                                 color=(*COLOURS, YELLOW, GREY)[number % 8], hatch=HATCHES[number % len(HATCHES)]))
        left = [start + width for start, width in zip(left, widths)]
    axis.set_yticks(range(len(times)), [short(method, 18 if narrow else 30) for method in times])
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("seconds of a run, mean over seeds")
    legend(figure, handles, phases, 3 if narrow else 8)
    return figure


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


def score_figures(compared: Comparison, baseline: str) -> dict[str, tuple[Callable, str]]:
    """Return {name: (draw(narrow), caption)} of what a comparison's scores can show."""
    drawn: dict[str, tuple[Callable, str]] = {}
    pairs = [gain(compared, name, baseline) for name in averaging(compared) if name != baseline]
    if any(found.differences for found in pairs):
        drawn["gains"] = (lambda narrow: draw_gains(compared, baseline, narrow),
                          f"Gain over {baseline} by domain, with 95 % intervals over seeds (a bare mark: one seed). "
                          "Right of the line averaging is better.")
    if all(read_curve(compared, run) for runs in compared.methods.values() for run in runs):
        dotted = "" if compared.majority() is None else "; dotted: always the commonest label"
        drawn["curves"] = (lambda narrow: draw_curves(compared, narrow),
                           f"Learning curves: mean over seeds, band of one standard deviation{dotted}.")
    return drawn


def training_figures(compared: Comparison) -> tuple[dict[str, tuple[Callable, str]], list[str]]:
    """Return {name: (draw(narrow), caption)} of what the records show of the training, and why others are missing."""
    drawn: dict[str, tuple[Callable, str]] = {}
    missing = []
    if shard_panels(compared):
        drawn["shards"] = (lambda narrow: draw_shards(compared, narrow),
                           "The clients' shards of the first seed: a disc's area, and its number, are rows.")
    else:
        missing.append("No figure of shards: every run here has one client.")
    if any(drifts(run) for name in averaging(compared) for run in compared.methods[name]):
        drawn["drift"] = (lambda narrow: draw_drift(compared, narrow),
                          "Drift: the L2 distance of the clients' models from their new mean; line: mean over clients "
                          "and seeds, band: from the least to the most.")
    else:
        missing.append("No figure of drift: these records hold no client's distance from the mean.")
    if any(phase_seconds(runs) for runs in compared.methods.values()):
        drawn["time"] = (lambda narrow: draw_time(compared, narrow), "Where a run's seconds went, phase by phase.")
    else:
        missing.append("No figure of time: these records hold no seconds.")
    return drawn, missing
