"""McNemar's test of each pair of runs: whether one is right more often where exactly one of them is."""

import numpy as np

from reports.baselines import pairs_of
from reports.comparing import mcnemar
from reports.gains import Judged
from reports.runs import FinishedRun
from reports.tables import MISSING, ReportTable, p_shown
from utils.errors import UserError

NOTE = ("McNemar's exact test, seed by seed: the probability of as uneven a split of the rows that exactly one of the "
        "two runs has right, if both are as good. It is about the rows and one pair of models, not about methods, and "
        "is corrected for nothing.")
OF_LABELS = ("accuracy", "f1", "matthews")


def mcnemar_table(judged: Judged) -> ReportTable:
    """The p value of each method against its baseline, a column for each seed."""
    pairs = {method: {run.seed: (run, other) for run, other in pairs_of(judged.compared, method, baseline.name)}
             for method, baseline in judged.baselines.items()}
    seeds = sorted({seed for some in pairs.values() for seed in some})
    rows = [["method", "over", *(f"seed {seed}" for seed in seeds)]]
    for method, some in pairs.items():
        rows.append([method, judged.baselines[method].name, *(cell(judged, some.get(seed)) for seed in seeds)])
    return ReportTable(f"McNemar: {judged.compared.title}", rows, [NOTE])


def cell(judged: Judged, pair: tuple[FinishedRun, FinishedRun] | None) -> str:
    """Return the p value of a pair of runs; MISSING where there is none, or a run does not keep its answers."""
    ours, theirs = (judged.drawn.answers.get(run.folder) for run in pair) if pair else (None, None)
    of_labels = judged.compared.metric in OF_LABELS
    if not of_labels or ours is None or theirs is None or not np.array_equal(ours.rows, theirs.rows):
        return MISSING
    return p_shown(mcnemar(ours, theirs))


def check_mcnemar(all_judged: list[Judged]) -> None:
    """Raise UserError unless there are answers that are right or wrong."""
    if not any(judged.drawn.answers for judged in all_judged):
        raise UserError("--mcnemar: no run here has a predictions.parquet, which older runs do not keep; leave it out")
    if not any(judged.compared.metric in OF_LABELS for judged in all_judged):
        raise UserError("--mcnemar: scores here are correlations, whose answers are not right or wrong; leave it out")
