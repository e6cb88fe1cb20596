"""A running average of the rounds' means, from which each round starts: the slow weights of Lookahead.

Zhang et al. 2019, arXiv:1907.08610, algorithm 1, whose α, 0.5, is the default.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from strategies import Array, Round, Strategy
from utils.flags import PART, flag


class Ema(Strategy):
    """w ← (1 − share)·before + share·mean."""

    @dataclass(frozen=True)
    class Flags:
        share: float = flag(0.5, "share of a round's mean in the new global vector (1: plain averaging)",
                            valid=PART)

    group = "server optimizers"
    alone = True

    def step(self, round: Round, window: slice, before: Array, mean: Array, kept: Sequence[Array]) -> None:
        mean *= self.flags.share
        mean += (1 - self.flags.share) * before
