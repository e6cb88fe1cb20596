"""The table of scores: mean and spread of each method, over all domains and in each."""

import statistics

from reports.gains import Judged
from reports.records import Comparison
from reports.tables import MISSING, ReportTable, score_cell

STEP = ("step: how far a round moves the model, over how far the plain mean of its updates would; the mean over rounds "
        "and runs. Methods of other steps differ by their length, too: --match_norm makes it the mean's.")
POOLED = ("pooled: the metric over all rows at once, as benchmarks and papers report it; beside it the mean over the "
          "domains.")

NOT_LEARNT = ("not learnt: not shown to be above the majority class, as the 95 % interval of the difference is not all "
              "above 0; with few seeds or rows that takes a large difference.")


def step_ratios(compared: Comparison) -> dict[str, float]:
    """Return {method: the length of its steps over the plain mean's}, the mean over its runs that have it recorded."""
    ratios = {method: [run.step_ratio for run in runs if run.step_ratio is not None]
              for method, runs in compared.methods.items()}
    return {method: statistics.mean(some) for method, some in ratios.items() if some}


def score_table(judged: Judged) -> ReportTable:
    """Mean ± std of each method, over all domains, over all rows at once where that is recorded, and in each domain.

    Where steps are of other lengths than means' are, these, too.
    """
    compared, steps = judged.compared, step_ratios(judged.compared)
    with_steps = any(f"{ratio:.2g}" != "1" for ratio in steps.values())
    pooled = pooled_cells(compared)
    rows = [["method", "seeds", "rows trained", *["step"] * with_steps, compared.metric, *["pooled"] * bool(pooled),
             *compared.domains]]
    means = {}
    for method, runs in compared.methods.items():
        trained = sorted({run.rows_trained for run in runs})
        overall, *scores = ([compared.score(run, domain) for run in runs] for domain in (None, *compared.domains))
        means[method] = statistics.mean(overall)
        rows.append([method, str(len(runs)), " to ".join(f"{n:g}" if n % 1 else str(int(n))
                                                         for n in dict.fromkeys((trained[0], trained[-1]))),
                     *[f"{steps[method]:.2g} ×" if method in steps else MISSING] * with_steps,
                     score_cell(overall) + ", not learnt" * (not judged.learnt[method]),
                     *[pooled.get(method, MISSING)] * bool(pooled), *map(score_cell, scores)])
    overall_floor, *floors = (compared.majority(domain) for domain in (None, *compared.domains))
    if overall_floor is not None:
        rows.append(["majority class", "", "0", *[""] * with_steps, score_cell([overall_floor]),
                     *[pooled.get("", MISSING)] * bool(pooled),
                     *(score_cell([floor]) for floor in floors if floor is not None)])
    best = [method for method, mean in means.items() if abs(mean - max(means.values())) < 1e-12]
    notes = [f"Tie for the best mean: {', '.join(best)}."] if len(best) > 1 else []
    notes += [] if all(judged.learnt.values()) else [NOT_LEARNT]
    notes += [POOLED] if pooled else []
    notes += [STEP] if with_steps else []
    notes += lacking_clients(compared)
    notes += [f"Not compared on {name}: {why}."
              for name, why in compared.reasons_against().items() if compared.on_first_set and why]
    return ReportTable(f"Scores: {compared.title}", rows, notes)


def pooled_cells(compared: Comparison) -> dict[str, str]:
    """Return {method: its score over all rows at once} of those that have it, and the majority class's as "".

    Empty where there is one domain, whose score it is.
    """
    if len(compared.domains) < 2:
        return {}
    scores = {method: [compared.pooled(run) for run in runs] for method, runs in compared.methods.items()}
    known = {method: [score for score in some if score is not None] for method, some in scores.items()}
    cells = {method: score_cell(some) for method, some in known.items() if len(some) == len(scores[method])}
    floors = [run.majority(compared.evaluated) for run in next(iter(compared.methods.values()))]
    pooled = [found["pooled"][compared.metric] for found in floors if found and "pooled" in found]
    return cells | ({"": score_cell([statistics.mean(pooled)])} if cells and len(pooled) == len(floors) else {})


def lacking_clients(compared: Comparison) -> list[str]:
    """Return a sentence for each run in which a round's mean was made without some participants."""
    return [f"{method}, seed {run.seed}: clients are missing ({run.left_out})."
            for method, runs in compared.methods.items() for run in runs if run.left_out]
