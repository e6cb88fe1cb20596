"""What the models come to on the evaluation sets: metrics of every row's answer, and of the commonest label's."""

import numpy as np

from utils.data.dataset import TaskData
from utils.errors import RoundFailed
from utils.model.metrics import evaluate_domains, majority_baseline


def results_of(data: TaskData, server_round: int, answers: dict[str, list[np.ndarray]]) -> dict[str, dict]:
    """Return each evaluation set's metrics, in the sets' order, from its `answers`: float64 [3, rows] of each part.

    Raises RoundFailed when one of them is no finite number.
    """
    results = {}
    for each in data.evaluation_sets:
        prediction, loss, weight = columns = each.assemble(answers[each.name])
        if not np.isfinite(columns).all():
            raise RoundFailed(f"round {server_round}: the averaged model's loss or prediction is no finite number on "
                              f"some {each.name} rows: it diverged; a lower --lr may help")
        results[each.name] = evaluate_domains(data.table.spec, each.domains, each.positions, each.labels, prediction,
                                              loss, weight)
    return results


def majorities(data: TaskData) -> dict[str, dict]:
    """Return each evaluation set's metrics of always saying the commonest label of the training rows.

    Where a set does not tell some labels apart, they count as one in that, too.
    """
    trained = data.labels["train"][np.concatenate(data.plan.train.rows)]
    return {each.name: majority_baseline(
        data.table.spec, each.domains, each.positions, each.labels,
        np.array(each.alike)[trained.astype(np.int64)] if each.alike else trained) for each in data.evaluation_sets}
