"""Model Stock: how far to go to the mean, by the angle between updates (Jang et al. 2024, arXiv:2403.19522)."""

from collections.abc import Sequence

import numpy as np

from strategies import Array, Round, Strategy
from utils.vectors.gram import combined, grams_of_tensors


class ModelStock(Strategy):
    """w ← before + t·(mean − before), t = K·c/((K−1)·c + 1), for each tensor, where c is the updates' mean cosine.

    c is the mean over all pairs of the K clients, which count alike; an update that is 0 has the cosine 0 with any
    other. Below c = 0 the tensor stays as it was. Source: equation 8 of the paper, for K models.
    """

    group = "merging"
    weighted = False
    streams = False
    looks = 1

    def look(self, number: int, round: Round, window: slice, before: Array, clients: Sequence[Array],
             seen: Sequence[Array]) -> tuple[slice, Array]:
        return grams_of_tensors(self.layout, window, clients, before)

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Array], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        return combined(self.layout, window, before, clients, lambda number: ratio(seen[0][number]) * round.shares)


def ratio(products: Array) -> float:
    """Return t from the dot products of K updates with each other, float64 [K, K]; 1 for a single one."""
    k, norms = len(products), np.sqrt(products.diagonal())
    if k == 1:
        return 1.0
    lengths = np.outer(norms, norms)
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    c = max(0.0, cosines[np.triu_indices(k, 1)].mean())
    return k * c / ((k - 1) * c + 1)
