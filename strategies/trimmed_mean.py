"""The coordinate-wise trimmed mean (Yin et al. 2018, arXiv:1803.01498, algorithm 1, option II)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from strategies import Array, Round, Strategy
from utils.console import NOTES
from utils.flags import flag, floor_of
from utils.vectors.ordered import ordered


class TrimmedMean(Strategy):
    """wᵢ ← mean of the clients' wᵢ without the ⌊trim·K⌋ smallest and as many largest of the K; clients count alike."""

    @dataclass(frozen=True)
    class Flags:
        trim: float = flag(0.2, "part of the clients' values left out at each end",
                           valid=(lambda value: 0 <= value < 0.5, "a number from 0 to below 0.5"))

    group = "robust means"
    robust = True
    weighted = False
    streams, from_zero = False, True

    @classmethod
    def check(cls, flags: Any, participants: int) -> None:
        if flags.trim and not left_out(flags, participants):
            NOTES.warning("--trim %g leaves none of %d clients out: this is their plain mean", flags.trim, participants)

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Array], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        out = left_out(self.flags, len(clients))
        new = np.empty_like(before)
        for part, values in ordered(clients):
            new[part] = values[out:len(clients) - out].mean(axis=0, dtype=np.float64)
        return new


def left_out(flags: Any, participants: int) -> int:
    """Return how many of the clients' values are left out at each end."""
    return floor_of(flags.trim, participants)
