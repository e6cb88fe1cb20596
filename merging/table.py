"""The table of what a merge comes to: each model's metrics, over all domains and in each."""

from collections.abc import Callable, Sequence

from merging.evaluation import Evaluated
from reports.tables import MISSING, ReportTable, score_cell
from utils.record.runlog import metric_names


def tables_of(evaluated: Evaluated, called: Callable[[str], str] = str) -> list[ReportTable]:
    """Return a table for each evaluation set and metric; `called` makes of models' names what they are called there."""
    rows = {called(name): result for name, result in evaluated.results.items()} | {"majority class": evaluated.majority}
    tables = []
    for name, result in evaluated.merged.items():
        for metric in metric_names(result):
            domains: Sequence[str] = [*result["domains"]] if len(result["domains"]) > 1 else []
            tables.append(ReportTable(
                f"{evaluated.data.table.spec.name}, {name}: {result['rows']} rows", [["model", metric, *domains], *(
                    [model, *cells(None if of is None else of[name], metric, domains)] for model, of in rows.items())]))
    return tables


def cells(result: dict | None, metric: str, domains: Sequence[str]) -> list[str]:
    """Return a model's metric over all domains and in each, in points of a hundred."""
    if result is None:
        return [MISSING] * (1 + len(domains))
    return [score_cell([each[metric]]) for each in (result, *(result["domains"][name] for name in domains))]
