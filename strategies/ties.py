"""TIES-Merging: trim, elect signs, merge what agrees (Yadav et al. 2023, arXiv:2306.01708, algorithm 1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategies import Array, Round, Strategy
from utils.flags import PART, POSITIVE, flag, floor_of
from utils.vectors.gram import combination
from utils.vectors.thresholds import LOOKS, counts, thresholds
from utils.vectors.updates import updates


class Ties(Strategy):
    """w ← before + scale·(mean of the trimmed updates whose sign is that of their sum), for each parameter.

    Of each update's tensors the largest `density` are kept: at least one element, and all that are as large as the
    last of these. Where the sum is 0 neither sign is elected, and the parameter stays. Weights are the clients' rows.
    """

    @dataclass(frozen=True)
    class Flags:
        density: float = flag(0.2, "part of each tensor's elements that is kept, the largest",
                              valid=PART)
        scale: float = flag(1.0, "what the merged update is multiplied by", valid=POSITIVE)

    group = "merging"
    streams = False
    looks = LOOKS

    def _ranks(self, size: int) -> tuple[int]:
        return max(1, floor_of(self.flags.density, size)) - 1,

    def look(self, number: int, round: Round, window: slice, before: Array, clients: Sequence[Array],
             seen: Sequence[Array]) -> tuple[slice, Array]:
        return counts(self.layout, self._ranks, window, before, clients, seen)

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Array], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        new = before.copy()
        for number, place in self.layout.within(window):
            least, = thresholds(self.layout, self._ranks, number, seen)
            for part, values in updates(before, clients, place):
                values *= np.abs(values) >= least
                new[part] += self.flags.scale * agreeing_mean(round.weights, values)
        return new


def agreeing_mean(weights: Sequence[float], values: Array) -> Array:
    """Return, float64 [n], the weighted mean of those `values` [clients, n] whose sign is that of their weighted sum.

    Where the sum is 0, so is the mean. `values` are changed.
    """
    elected = np.sign(combination(weights, values)).astype(np.float32)
    agrees = (values * elected > 0).astype(np.float32)
    values *= agrees
    weight = combination(weights, agrees)
    return np.divide(combination(weights, values), weight, out=weight, where=weight != 0)
