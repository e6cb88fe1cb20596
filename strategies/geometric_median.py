"""RFA: the geometric median of the clients' models (Pillutla et al. 2022, arXiv:1912.13445, algorithm 2)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from strategies import Array, Round, Strategy
from utils.console import NOTES
from utils.vectors.gram import combination, gram

NU = 1e-6  # ν, the paper's: nearer than this a client's distance counts as this
ITERATIONS, TOLERANCE = 100, 1e-10  # the paper makes a few, each over all vectors; here they cost next to nothing


class GeometricMedian(Strategy):
    """w ← argmin Σ nₖ·‖w − wₖ‖, by the smoothed Weiszfeld algorithm: w ← Σ βₖ·wₖ / Σ βₖ, βₖ = nₖ / max(ν, ‖w − wₖ‖).

    It stays where it is however far away clients are that have fewer than half of the rows. A client with more than
    half of them is the median itself. Two clients of equally many rows have their mean.
    """

    group = "robust means"
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

    w = Σ cₖ·wₖ throughout, and ‖w − wₖ‖² = cᵀGc − 2(Gc)ₖ + Gₖₖ, so the vectors themselves are not needed.
    """
    mean = np.array(weights, np.float64) / sum(weights)
    share = mean
    for _ in range(ITERATIONS):
        along = products @ share
        distances = np.sqrt(np.maximum(share @ along - 2 * along + np.diagonal(products), 0))
        new = mean / np.maximum(NU, distances)
        new /= new.sum()
        if np.abs(new - share).max() < TOLERANCE:
            return new
        share = new
    return share
