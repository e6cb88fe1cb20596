"""Task arithmetic: the sum of the updates, scaled (Ilharco et al. 2023, arXiv:2212.04089, section 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from strategies import Array, Round, Strategy
from utils.flags import NUMBER, flag


class TaskArithmetic(Strategy):
    """w ← before + scale·Σ (wₖ − before), which is K·scale times the update of the mean.

    Clients count alike, whatever their rows.
    """

    @dataclass(frozen=True)
    class Flags:
        scale: float = flag(0.4, "what the sum of the updates is multiplied by (below 0: away from them)",
                            valid=NUMBER)

    group = "merging"
    weighted = False

    def step(self, round: Round, window: slice, before: Array, mean: Array, kept: Sequence[Array]) -> None:
        mean -= before
        mean *= self.flags.scale * len(round.participants)
        mean += before
