"""FedAdam: Adam on the rounds' mean updates (Reddi et al. 2021, arXiv:2003.00295, algorithm 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategies import Array, Round, Strategy
from utils.flags import POSITIVE, flag

BETA_2, TAU = 0.99, 1e-3


class FedAdam(Strategy):
    """m ← 0.9·m + 0.1·Δ; v ← 0.99·v + 0.01·Δ²; w ← before + server_lr·m / (√v + τ), where Δ = mean − before."""

    @dataclass(frozen=True)
    class Flags:
        server_lr: float = flag(1e-3, "about what a round moves a parameter that all clients agree on", valid=POSITIVE)

    group = "server optimizers"
    alone = True
    server_vectors = 2
    _beta_1 = 0.9

    def step(self, round: Round, window: slice, before: Array, mean: Array, kept: Sequence[Array]) -> None:
        first, second = kept
        update = np.subtract(mean, before, out=mean)
        first *= self._beta_1
        first += (1 - self._beta_1) * update
        self._accumulate(second, update)
        np.multiply(first, self.flags.server_lr, out=mean)
        mean /= np.sqrt(second) + TAU
        mean += before

    def _accumulate(self, second: Array, update: Array) -> None:
        """Add a round's `update` to the `second` moment, in place."""
        second *= BETA_2
        second += (1 - BETA_2) * update * update
