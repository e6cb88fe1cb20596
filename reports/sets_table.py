"""Gains in domain (the task's test rows) and on each further evaluation set, side by side."""

from collections.abc import Sequence

from reports.gain_tables import gain_cell
from reports.gains import Judged
from reports.tables import ReportTable
from utils.data.evaluation_sets import HELD_OUT

NOTE = ("Each verdict is that of its set's own table. The baselines are those of the test rows, chosen once for all "
        "sets.")


def not_held_out(sets: Sequence[Judged]) -> list[Judged]:
    """Return a comparison on its test rows and each further set but the held-out rows."""
    return [judged for judged in sets if judged.compared.evaluated != HELD_OUT]


def side_by_side(sets: Sequence[Judged]) -> list[Judged]:
    """Return a comparison on its test rows and each further set but the held-out rows; none without a further one."""
    found = not_held_out(sets)
    return found if len(found) > 1 else []


def in_and_out(sets: Sequence[Judged]) -> str:
    """Say which of a comparison's sets are in domain, and which are not: by its first run's record."""
    outside = [judged.compared.evaluated for judged in sets
               if judged.compared.first.out_of_domain(judged.compared.evaluated)]
    inside = [judged.compared.evaluated for judged in sets if judged.compared.evaluated not in outside]
    return f"In domain: {', '.join(inside) or 'none'}; out of domain: {', '.join(outside) or 'none'}."


def sets_table(sets: Sequence[Judged]) -> ReportTable:
    """The gain of each method, of the macro averages, on each of these sets."""
    first = sets[0]
    rows = [["method", "over", *(judged.compared.evaluated for judged in sets)]]
    for method in first.gains:
        gains = [judged.gains[method][None] for judged in sets]
        rows.append([method, first.baselines[method].name, *(
            f"{gain_cell(found)} ({found.verdict})" if found.shown else found.verdict for found in gains)])
    return ReportTable(f"In and out of domain: {first.compared.title}", rows, [f"{in_and_out(sets)} {NOTE}"])
