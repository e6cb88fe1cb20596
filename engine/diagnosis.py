"""Why averaging gives what it gives (`--diagnose N`): how far apart a round's models lie, and the loss between them.

Where the loss is convex between the models of a round, their mean has a lower loss than they have on average: the
Jensen gap is what averaging gives at that moment. A barrier above zero half-way between two models shows that they lie
in different basins (Frankle et al. 2020, arXiv:1912.05671), where it gives nothing.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from engine.merging import Updates, sum_of
from utils.data.evaluation import EvaluationSet
from utils.data.task import TaskSpec
from utils.model.metrics import evaluate_domains
from utils.seeds import generator
from utils.vectors.gram import gram
from utils.vectors.sums import mean_of

MOST_PAIRS = 10  # of a round's participants, half-way between which the loss is measured


def pairs_of(n: int, seed: int, server_round: int) -> list[tuple[int, int]]:
    """Return the pairs of `n` participants, by position, ascending: all, or MOST_PAIRS drawn from (seed, round)."""
    first, second = np.triu_indices(n, 1)
    chosen = np.arange(len(first))
    if len(chosen) > MOST_PAIRS:
        chosen = np.sort(generator(seed, "barriers", server_round).choice(len(chosen), MOST_PAIRS, replace=False))
    return list(zip(first[chosen].tolist(), second[chosen].tolist()))


def diagnosis(products: np.ndarray, rows: Mapping[int, int], pairs: Sequence[tuple[int, int]],
              loss: Callable[[Mapping[int, float]], float]) -> dict:
    """Return the `diagnosis` of a round's record, as docs/records.md describes it.

    `products`: those of the updates with each other, float64 [K, K]; `rows`: {client: rows} of the K participants;
    `pairs`: of their positions; `loss(weights)`: that of the mean of the models at these positions by these weights.
    What is no finite number is None.
    """
    clients, norms = list(rows), np.sqrt(np.diagonal(products))
    with np.errstate(divide="ignore", invalid="ignore"):  # an update of no length has no cosine
        cosines = np.clip(products / np.outer(norms, norms), -1, 1)
    losses = np.array([loss({position: 1}) for position in range(len(clients))])
    mean_loss = loss(dict(enumerate(rows.values())))
    barriers = [loss({one: 1, other: 1}) - (losses[one] + losses[other]) / 2 for one, other in pairs]
    return {"norms": [number(norm, 6) for norm in norms],
            "cosines": [[number(cosine, 6) for cosine in row] for row in cosines],
            "losses": [number(each) for each in losses],
            "mean_loss": number(mean_loss),
            "jensen_gap": number(np.average(losses - mean_loss, weights=list(rows.values()))),
            "barriers": [{"clients": [clients[one], clients[other]], "value": number(value)}
                         for (one, other), value in zip(pairs, barriers)]}


def number(value: float, digits: int = 17) -> float | None:
    """Return a number for a record, with so many digits; None if it is not finite."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def products_of_updates(models: Updates, threads: int = 1) -> np.ndarray:
    """Return the products of the updates model − before with each other, float64 [K, K]; `threads` changes no bit."""
    with ThreadPoolExecutor(threads) as pool:
        return sum_of(pool.map(lambda part: gram(models.clients(part), models.before(part)),
                               models.transport.windows()))


def write_mean(models: Updates, weights: Mapping[int, float], threads: int = 1) -> None:
    """Write the mean of the models at these positions, by these weights, to `models.out`; `threads` changes no bit."""
    some = replace(models, vectors=[models.vectors[position] for position in weights])
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda part: some.write(part, mean_of(some.clients(part), list(weights.values()))),
                          models.transport.windows()):
            pass


def loss_on(spec: TaskSpec, rows: EvaluationSet, parts: list[np.ndarray]) -> float:
    """Return a model's loss on an evaluation set, as a record has it, from each part's columns, float64 [3, rows].

    NaN where its answers are no finite numbers.
    """
    prediction, loss, weight = columns = rows.assemble(parts)
    if not np.isfinite(columns).all():
        return math.nan
    return evaluate_domains(spec, rows.domains, rows.positions, rows.labels, prediction, loss, weight)["loss"]
