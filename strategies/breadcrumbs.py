"""Model Breadcrumbs: neither outliers nor small changes (Davari & Belilovsky 2023, arXiv:2312.06795, equations 1–3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategies import Array, Round, Strategy
from utils.flags import PART, POSITIVE, flag, floor_of
from utils.vectors.gram import combination
from utils.vectors.thresholds import LOOKS, counts, thresholds
from utils.vectors.updates import updates


class Breadcrumbs(Strategy):
    """w ← before + scale·Σ (updates without the largest `outliers` of each tensor, and of the next only `density`).

    At least one element of each tensor is kept, and all that are as large as the largest or the least of those kept.
    Clients count alike, whatever their rows.
    """

    @dataclass(frozen=True)
    class Flags:
        density: float = flag(0.1, "part of each tensor's elements that is kept, the largest below the outliers",
                              valid=PART)
        outliers: float = flag(0.01, "part of each tensor's elements that is left out as too large",
                               valid=(lambda value: 0 <= value < 1, "a number from 0 to below 1"))
        scale: float = flag(0.3, "what the sum of the updates is multiplied by", valid=POSITIVE)

    group = "merging"
    weighted = False
    streams = False
    looks = LOOKS

    def _ranks(self, size: int) -> tuple[int, int]:
        first = floor_of(self.flags.outliers, size)
        return first, min(size, first + max(1, floor_of(self.flags.density, size))) - 1

    def look(self, number: int, round: Round, window: slice, before: Array, clients: Sequence[Array],
             seen: Sequence[Array]) -> tuple[slice, Array]:
        return counts(self.layout, self._ranks, window, before, clients, seen)

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Array], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        new = before.copy()
        factors = self.flags.scale * len(clients) * round.shares
        for number, place in self.layout.within(window):
            most, least = thresholds(self.layout, self._ranks, number, seen)
            for part, values in updates(before, clients, place):
                sizes = np.abs(values)
                values *= (sizes >= least) & (sizes <= most)
                new[part] += combination(factors, values)
        return new
