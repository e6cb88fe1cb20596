"""What the models come to on the evaluation sets: metrics of every row's answer, and of the commonest label's."""

from collections.abc import Mapping

import numpy as np

from utils.data.dataset import TaskData
from utils.errors import RoundFailed
from utils.model.metrics import evaluate_domains, majority_baseline


def columns_of(data: TaskData, server_round: int, answers: Mapping[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """Return each evaluation set's prediction, loss and weight, float64 [3, rows], from its `answers`: each part's.

    Raises RoundFailed when one of them is no finite number.
    """
    found = {each.name: each.assemble(answers[each.name]) for each in data.evaluation_sets}
    for name, columns in found.items():
        if not np.isfinite(columns).all():
            raise RoundFailed(f"round {server_round}: the averaged model's loss or prediction is no finite number on "
                              f"some {name} rows: it diverged; a lower --lr may help")
    return found


def results_of(data: TaskData, columns: Mapping[str, np.ndarray]) -> dict[str, dict]:
    """Return each evaluation set's metrics, in the sets' order, from its rows' `columns`."""
    return {each.name: evaluate_domains(data.table.spec, each.domains, each.positions, each.labels,
                                        *columns[each.name]) for each in data.evaluation_sets}


def majorities(data: TaskData) -> dict[str, dict]:
    """Return each evaluation set's metrics of always saying the commonest label of the training rows.

    Where a set does not tell some labels apart, they count as one in that, too.
    """
    trained = data.labels["train"][np.concatenate(data.plan.train.rows)]
    return {each.name: majority_baseline(
        data.table.spec, each.domains, each.positions, each.labels,
        np.array(each.alike)[trained.astype(np.int64)] if each.alike else trained) for each in data.evaluation_sets}
