"""RFA: the geometric median of the clients' models (Pillutla et al. 2022, arXiv:1912.13445, algorithm 2)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from strategies import Array, Round, Strategy
from utils.console import NOTES
from utils.vectors.gram import combination, gram

NU = 1e-6  # ν, the paper's: nearer than this a client's distance counts as this
#: The paper makes a few iterations, each over all vectors; here they cost next to nothing. Far clients that have nearly
#: half of the rows take a few thousand to be left. They end when a step is this part of the way to the nearest client.
ITERATIONS, TOLERANCE = 10_000, 1e-9


class GeometricMedian(Strategy):
    """w ← argmin Σ nₖ·‖w − wₖ‖, by the smoothed Weiszfeld algorithm: w ← Σ βₖ·wₖ / Σ βₖ, βₖ = nₖ / max(ν, ‖w − wₖ‖).

    It stays where it is however far away clients are that have fewer than half of the rows. A client with half of
    them or more is the median itself. Two clients of equally many rows have their mean.
    """

    group = "robust means"
    robust = True
    streams, from_zero = False, True
    looks = 1

    @classmethod
    def check(cls, flags: Any, participants: int) -> None:
        if participants < 3:
            NOTES.warning("--strategy geometric_median: a round may have %d client(s) only: the median is the one with "
                          "more rows, or the mean of equal ones", participants)

    def look(self, number: int, round: Round, window: slice, before: Array, clients: Sequence[Any],
             seen: Sequence[Array]) -> Array:
        return gram(clients, before)

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Any], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        return combination(coefficients(seen[0], round.weights), clients)


def coefficients(products: Array, weights: Sequence[float]) -> Array:
    """Return the median's shares in vectors, float64 [K], which add up to 1, from their `products` with each other.

    w = Σ cₖ·wₖ throughout, so points with the same products do for the vectors.
    """
    mean = np.array(weights, np.float64) / sum(weights)
    heavy = mean >= 0.5
    if heavy.any():
        return heavy / heavy.sum()
    share, points = mean, points_of(products)
    middle = share @ points
    for _ in range(ITERATIONS):
        distances = np.maximum(NU, np.linalg.norm(points - middle, axis=1))
        share = mean / distances
        share /= share.sum()
        before, middle = middle, share @ points
        if np.linalg.norm(middle - before) <= TOLERANCE * distances.min():
            break
    return share


def points_of(products: Array) -> Array:
    """Return points, float64 [K, rank], whose dot products with each other are `products`: their Cholesky factor.

    The largest come first, so that of two vectors the small one is as exact as if the large one were not there.
    """
    rest, columns = products.copy(), []
    for _ in products:
        largest = rest.diagonal().argmax()
        if rest[largest, largest] <= 0:
            break
        columns.append(rest[largest] / np.sqrt(rest[largest, largest]))
        rest -= np.outer(columns[-1], columns[-1])
        rest[largest] = rest[:, largest] = 0  # but for rounding
    return np.array(columns).reshape(-1, len(products)).T
