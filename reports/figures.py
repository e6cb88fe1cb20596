"""The figures of a comparison's scores. Each `draw(subject, narrow)` returns a matplotlib Figure.

`narrow` is for a phone: fewer panels side by side. Reads nothing but what reports.records has read.
"""

import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from reports.gains import Gain, Judged
from reports.records import Comparison
from reports.runs import FinishedRun
from reports.sets_table import in_and_out
from reports.style import GREY, INK, NARROW, WIDE, legend, panels, short, styles
from reports.tables import mean_and_deviation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_gains(judged: Judged, narrow: bool) -> "Figure":
    """The gain of each mixture, over all domains and in each, with its interval."""
    domains = {domain: domain or "all domains" for domain in (None, *judged.compared.domains)}
    return draw_rows(judged, {name: {method: found[domain] for method, found in judged.gains.items()}
                              for domain, name in domains.items()}, narrow)


def draw_sets(sets: Sequence[Judged], narrow: bool) -> "Figure":
    """The gain of each mixture on the test rows, and on each further evaluation set: its interval, or `not learnt`."""
    return draw_rows(sets[0], {judged.compared.evaluated: {name: found[None] for name, found in judged.gains.items()}
                               for judged in sets}, narrow)


def draw_rows(judged: Judged, gains: dict[str, dict[str, Gain]], narrow: bool) -> "Figure":
    """Gains {name of a row: {method: gain}} of a comparison's averaging methods, each with its interval.

    A method that has learnt on some of the rows has `not learnt` at the others.
    """
    methods = [name for name in judged.averaging if any(row[name].shown for row in gains.values())]
    figure, (axis,) = panels(1, NARROW if narrow else WIDE, 1, max(1.4, (0.2 + 0.2 * len(methods)) * len(gains)))
    style, handles = styles(judged.compared.methods), []
    for place, method in enumerate(methods):
        at = {row + (place - (len(methods) - 1) / 2) * 0.8 / max(2, len(methods)): each[method]
              for row, each in enumerate(gains.values())}
        found = {row: gain for row, gain in at.items() if gain.shown}
        colour, _, marker = style[method]
        for row in (row for row, gain in at.items() if not gain.learnt):
            axis.annotate("not learnt", (0, row), (4, 0), textcoords="offset points", va="center", color=colour,
                          fontsize=8)
        handles.append(axis.errorbar([100 * one.mean for one in found.values()], [*found],
                                     xerr=[100 * (one.half_width or 0) for one in found.values()],
                                     fmt=marker, color=colour, capsize=3, markersize=6))
    axis.axvline(0, color=INK, linewidth=1)
    axis.set_yticks(range(len(gains)), [short(name, 24) for name in gains])
    axis.set_ylim(len(gains) - 0.5, -0.5)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel(f"gain, points of {short(judged.compared.metric)}")
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


def draw_curves(judged: Judged, narrow: bool) -> "Figure":
    """The headline metric after each pass over the rows: mean over seeds, band of one standard deviation."""
    compared = judged.compared
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
        labels.append(method + " (not learnt)" * (not judged.learnt[method]))
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


def score_figures(judged: Judged) -> dict[str, tuple[Callable, str]]:
    """Return {name: (draw(narrow), caption)} of what a comparison's scores can show."""
    drawn: dict[str, tuple[Callable, str]] = {}
    compared = judged.compared
    over = dict.fromkeys(judged.baselines[name].name for name in judged.averaging
                         if judged.gains[name][None].shown)
    if over:
        two_way = any(judged.gains[name][None].both for name in judged.averaging)
        unlearnt = ", ".join(name for name in judged.averaging if not judged.learnt[name])
        drawn["gains"] = (lambda narrow: draw_gains(judged, narrow),
                          f"Gain over {' or '.join(over)} by domain, with 95 % intervals over seeds"
                          f"{' and test rows' if two_way else ' (a bare mark: one seed)'}. Right of the line averaging "
                          f"is better.{f' Not learnt, so without a gain: {unlearnt}.' if unlearnt else ''}")
    if all(read_curve(compared, run) for runs in compared.methods.values() for run in runs):
        dotted = "" if compared.majority() is None else "; dotted: always the commonest label"
        drawn["curves"] = (lambda narrow: draw_curves(judged, narrow),
                           f"Learning curves: mean over seeds, band of one standard deviation{dotted}.")
    return drawn


def sets_figure(sets: Sequence[Judged]) -> tuple[dict[str, tuple[Callable, str]], list[str]]:
    """Return {name: (draw(narrow), caption)} of the gains in and out of domain, and why there is no such figure."""
    unlearnt = {judged.compared.evaluated: [name for name in judged.averaging if not judged.learnt[name]]
                for judged in sets}
    named = "; ".join(f"{', '.join(names)} on {name}" for name, names in unlearnt.items() if names)
    without = f"Not learnt, so without a gain: {named}." if named else ""
    if any(judged.gains[name][None].shown for judged in sets for name in judged.averaging):
        return {"sets": (lambda narrow: draw_sets(sets, narrow),
                         f"Gain on each evaluation set, with 95 % intervals. {in_and_out(sets)} Right of the line "
                         f"averaging is better. {without}".rstrip())}, []
    return {}, [f"No figure of gains in and out of domain. {without}"] if named else []
