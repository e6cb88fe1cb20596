"""The figures of what a comparison's records show of the training: shards, drift, seconds."""

import statistics
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from reports.baselines import averaging, is_baseline
from reports.diagnosis import SHOWN, diagnoses
from reports.records import Comparison
from reports.runs import FinishedRun
from reports.style import COLOURS, GREY, HATCHES, INK, NARROW, WIDE, YELLOW, legend, panels, short, styles
from reports.tables import mean_and_deviation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_CLIENTS = 30


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
        if not clients or is_baseline(method):  # one client is the mean
            continue
        rounds = sorted(clients)
        line, = axis.plot(rounds, [statistics.mean(clients[number]) for number in rounds], linestyle=dash, color=colour,
                          marker=marker)
        axis.fill_between(rounds, [min(clients[number]) for number in rounds],
                          [max(clients[number]) for number in rounds], color=colour, alpha=0.12, linewidth=0)
        handles.append(line)
        labels.append(method)
    axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axis.set_xlabel("round")
    axis.set_ylabel("L2 distance from the mean")
    axis.set_ylim(bottom=0)
    legend(figure, handles, labels, 2 if narrow else 4)
    return figure


def draw_diagnoses(compared: Comparison, narrow: bool) -> "Figure":
    """What `--diagnose` measured, round by round: the mean over seeds, band of one standard deviation."""
    found = {method: [diagnoses(run) for run in runs] for method, runs in compared.methods.items()}
    names = [name for name in SHOWN if any(name in measured for runs in found.values() for run in runs
                                           for measured in run.values())]
    figure, axes = panels(len(names), NARROW if narrow else WIDE, 1 if narrow else 2)
    handles = {}
    for method, (colour, dash, marker) in styles(compared.methods).items():
        for axis, name in zip(axes, names):
            values: dict[int, list[float]] = defaultdict(list)
            for run in found[method]:
                for number, measured in run.items():
                    values[number] += [measured[name]] if name in measured else []
            rounds = sorted(number for number, some in values.items() if some)
            if not rounds:
                continue
            each = [mean_and_deviation(values[number]) for number in rounds]
            means = [mean for mean, _ in each]
            handles[method], = axis.plot(rounds, means, linestyle=dash, color=colour, marker=marker)
            axis.fill_between(rounds, [mean - (spread or 0) for mean, spread in each],
                              [mean + (spread or 0) for mean, spread in each], color=colour, alpha=0.12, linewidth=0)
    for axis, name in zip(axes, names):
        axis.set_title(SHOWN[name])
        axis.set_xlabel("round")
        axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    legend(figure, [*handles.values()], [*handles], 2 if narrow else 4)
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
    if any(any(diagnoses(run).values()) for runs in compared.methods.values() for run in runs):
        drawn["diagnosis"] = (lambda narrow: draw_diagnoses(compared, narrow),
                              "Why averaging gives what it gives, on held-out rows: the Jensen gap is the mean of the "
                              "clients' losses minus the loss of their mean (above 0: the mean is better), a barrier "
                              "the loss half-way between two clients minus the mean of theirs (above 0: they lie "
                              "apart). Cosines and norms are those of the clients' updates. Mean over seeds, band of "
                              "one standard deviation.")
    if any(phase_seconds(runs) for runs in compared.methods.values()):
        drawn["time"] = (lambda narrow: draw_time(compared, narrow), "Where a run's seconds went, phase by phase.")
    else:
        missing.append("No figure of time: these records hold no seconds.")
    return drawn, missing
