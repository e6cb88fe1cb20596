"""The coordinate-wise median (Yin et al. 2018, arXiv:1803.01498, algorithm 1, option I)."""

from collections.abc import Sequence

import numpy as np

from strategies import Array, Round, Strategy
from utils.vectors.ordered import ordered


class Median(Strategy):
    """wᵢ ← median of the clients' wᵢ, for each parameter i; clients count alike, whatever their rows."""

    group = "robust means"
    robust = True
    weighted = False
    streams, from_zero = False, True

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Array], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        new, middle = np.empty_like(before), len(clients) // 2
        for part, values in ordered(clients):
            new[part] = values[middle] if len(clients) % 2 else (values[middle - 1] + values[middle]) / 2
        return new
