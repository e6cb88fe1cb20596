"""The tables of gains: of one comparison, over its baselines and by domain, and of all of them."""

from collections.abc import Sequence

from reports.baselines import is_baseline
from reports.gains import Gain, Judged, unpaired
from reports.scores import lacking_clients
from reports.tables import MISSING, ReportTable, signed


def gain_cell(found: Gain | None) -> str:
    """Return `mean [low, high]`, without the interval for one seed."""
    if found is None or not found.differences:
        return MISSING
    return signed(found.mean) + (f" [{', '.join(map(signed, found.interval))}]" if found.interval else "")


def gain_table(judged: Judged) -> ReportTable:
    """The gain of each method over its baseline, over each other one of the same budget, and in each domain."""
    names = list(dict.fromkeys(judged.baselines[method].name for method in judged.gains)) or [judged.named]
    several = len(names) > 1
    others = list(dict.fromkeys(other for found in judged.others.values() for other in found))
    domains = judged.compared.domains
    rows = [["method", "pairs", *(["over", "gain"] if several else [f"gain over {names[0] or 'centralized'}"]),
             "verdict", *(f"over {other}" for other in others), *domains]]
    for method, found in judged.gains.items():
        overall = found[None]
        rows.append([method, str(len(overall.differences)), *[judged.baselines[method].name] * several,
                     gain_cell(overall), overall.verdict,
                     *(gain_cell(judged.others[method].get(other)) for other in others),
                     *(gain_cell(found[domain]) for domain in domains)])
    return ReportTable(f"Gains: {judged.compared.title}", rows,
                       [*baseline_notes(judged, others), *unpaired(judged), *lacking_clients(judged.compared)])


def baseline_notes(judged: Judged, others: Sequence[str]) -> list[str]:
    """Return how the baselines were chosen, and which ones no gain is over, as their budget is no method's."""
    used = [*others, *(baseline.name for baseline in judged.baselines.values())]
    rest = [method for method in judged.compared.methods
            if not judged.named and is_baseline(method) and method not in (*used, *judged.gains)]
    notes = dict.fromkeys(filter(None, (baseline.note for baseline in judged.baselines.values())))
    return [*notes, *([f"Of another budget than all methods here, so no gain is over them: {', '.join(rest)}."]
                      if rest and judged.gains else [])]


def overview_table(all_judged: Sequence[Judged]) -> ReportTable:
    """The overall gain of each model (row) and mixture (column)."""
    methods = list(dict.fromkeys(method for judged in all_judged for method in judged.averaging))
    names = {baseline.name for judged in all_judged for baseline in judged.baselines.values()}
    rows = [["model", *methods]]
    for judged in all_judged:
        row = [judged.compared.title]
        for method in methods:
            if method not in judged.gains:
                row.append("no runs")
                continue
            found = judged.gains[method][None]
            over = f" over {judged.baselines[method].name}" if len(names) > 1 else ""
            row.append(f"{gain_cell(found)}{over} ({found.verdict})" if found.differences else found.verdict)
        rows.append(row)
    against = f"{names.pop()}" if len(names) == 1 else "the strongest baseline"
    return ReportTable(f"Gain over {against}, by model and mixture", rows)
