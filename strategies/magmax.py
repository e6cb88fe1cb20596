"""MagMax: of each parameter the largest change (Marczak et al. 2024, arXiv:2407.06322, algorithm 1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategies import Array, Round, Strategy
from utils.flags import POSITIVE, flag
from utils.vectors.updates import updates


class MagMax(Strategy):
    """w ← before + scale·(of the clients' updates the one that is the largest, up or down), for each parameter.

    Clients count alike, whatever their rows. Of two updates as large, up and down, it is the one up.
    """

    @dataclass(frozen=True)
    class Flags:
        scale: float = flag(1.0, "what the merged update is multiplied by", valid=POSITIVE)

    group = "merging"
    weighted = False
    streams = False

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Array], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        new = before.copy()
        for part, values in updates(before, clients, slice(0, len(before))):
            most, least = values.max(axis=0), values.min(axis=0)
            new[part] += self.flags.scale * np.where(most >= -least, most, least)
        return new
