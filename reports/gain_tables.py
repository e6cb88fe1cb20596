"""The tables of gains: of one comparison, over its baselines and by domain, and of all of them."""

from collections.abc import Sequence

from reports.baselines import is_baseline
from reports.gains import Gain, Judged, of_all, unpaired
from reports.intervals import Interval
from reports.needed import needed_notes
from reports.scores import lacking_clients
from reports.tables import MISSING, ReportTable, p_shown, signed
from utils.record.runlog import PREDICTIONS


def gain_cell(found: Gain | None) -> str:
    """Return `mean [low, high]`, without the interval where there is none."""
    if found is None or not found.shown:
        return MISSING
    return signed(found.mean) + (f" {interval_cell(found.interval)}" if found.interval else "")


def interval_cell(found: Interval | None) -> str:
    """Return `[low, high]`."""
    return MISSING if found is None else f"[{signed(found.low)}, {signed(found.high)}]"


def gain_table(judged: Judged) -> ReportTable:
    """The gain of each method over its baseline, over each other one of the same budget, and in each domain."""
    names = list(dict.fromkeys(judged.baselines[method].name for method in judged.gains)) or [judged.named]
    others = list(dict.fromkeys(other for found in judged.others.values() for other in found))
    domains = judged.compared.domains
    overall = {method: found[None] for method, found in judged.gains.items()}
    several, two_way = len(names) > 1, any(found.both and found.alone and found.shown for found in overall.values())
    rows = [["method", "pairs", *(["over", "gain"] if several else [f"gain over {names[0] or 'centralized'}"]),
             *["seeds alone"] * two_way, "p", "verdict", *["pooled"] * bool(judged.pooled),
             *(f"over {other}" for other in others), *domains]]
    for method, found in overall.items():
        rows.append([method, str(len(found.differences)), *[judged.baselines[method].name] * several, gain_cell(found),
                     *[interval_cell(found.alone if found.shown else None)] * two_way,
                     p_shown(found.corrected), found.verdict,
                     *[gain_cell(judged.pooled.get(method))] * bool(judged.pooled),
                     *(gain_cell(judged.others[method].get(other)) for other in others),
                     *(gain_cell(judged.gains[method][domain]) for domain in domains)])
    rule = [judged.compared.rule.note] if judged.compared.rule else []
    return ReportTable(f"Gains: {judged.compared.title}", rows, [
        *rule, *baseline_notes(judged, others), *needed_notes(overall), *unpaired(judged), *lacking_answers(judged),
        *lacking_clients(judged.compared)])


def baseline_notes(judged: Judged, others: Sequence[str]) -> list[str]:
    """Return how the baselines were chosen, which ones have not learnt, and which ones' budget is no method's."""
    used = dict.fromkeys((*(baseline.name for baseline in judged.baselines.values()), *others))
    rest = [method for method in judged.compared.methods
            if not judged.named and is_baseline(method) and method not in (*used, *judged.gains)]
    notes = list(dict.fromkeys(filter(None, (baseline.note for baseline in judged.baselines.values()))))
    unlearnt = [name for name in used if not judged.learnt.get(name, True)]
    notes += [f"Not learnt: {', '.join(unlearnt)}; a gain over such a baseline says no more than that a method has."
              ] * bool(unlearnt)
    return notes + [f"Of another budget than all methods here, so no gain is over them: {', '.join(rest)}."] * bool(
        rest and judged.gains)


def lacking_answers(judged: Judged) -> list[str]:
    """Return a sentence that names the runs without answers, where others have some."""
    lacking = {method: [str(run.seed) for run in runs if run.folder not in judged.drawn.answers]
               for method, runs in judged.compared.methods.items()}
    named = "; ".join(f"{method}, seed {', '.join(seeds)}" for method, seeds in lacking.items() if seeds)
    return [f"Without {PREDICTIONS}: {named}. What the choice of test rows has in an interval is by the other pairs; "
            "where there are none, the interval is over seeds alone."] if named and judged.drawn.answers else []


def overview_table(all_judged: Sequence[Judged]) -> ReportTable:
    """The overall gain of each model (row) and mixture (column)."""
    found = of_all(all_judged)
    methods = list(dict.fromkeys(method for _, method in found))
    names = {baseline.name for judged in all_judged for baseline in judged.baselines.values()}
    rows = [["model", *methods]]
    for place, judged in enumerate(all_judged):
        row = [judged.compared.title]
        for method in methods:
            one = found.get((place, method))
            over = f" over {judged.baselines[method].name}" if one and len(names) > 1 else ""
            row.append("no runs" if one is None else f"{gain_cell(one)}{over} ({one.verdict})" if one.shown
                       else one.verdict)
        rows.append(row)
    against = names.pop() if len(names) == 1 else "the strongest baseline"
    return ReportTable(f"Gain over {against}, by model and mixture", rows,
                       [one.compared.rule.note for one in all_judged[:1] if one.compared.rule] + [
                           "Verdicts are by p values corrected for all comparisons of this table."])
