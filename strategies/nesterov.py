"""The outer step of DiLoCo: SGD with Nesterov momentum on the rounds' mean updates (Douillard et al. 2023).

arXiv:2311.08105, algorithm 1, whose outer gradient is −Δ; the momentum is that of PyTorch's SGD.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategies import Array, Round, Strategy
from utils.flags import POSITIVE, flag


class Nesterov(Strategy):
    """v ← server_momentum·v + Δ; w ← before + server_lr·(Δ + server_momentum·v), where Δ = mean − before."""

    @dataclass(frozen=True)
    class Flags:
        server_lr: float = flag(0.7, "learning rate of the server's momentum", valid=POSITIVE)
        server_momentum: float = flag(0.9, "part of the velocity that is left a round later",
                                      valid=(lambda value: 0 <= value < 1, "a number from 0 to below 1"))

    group = "server optimizers"
    alone = True
    server_vectors = 1

    def step(self, round: Round, window: slice, before: Array, mean: Array, kept: Sequence[Array]) -> None:
        velocity, = kept
        update = np.subtract(mean, before, out=mean)
        velocity *= self.flags.server_momentum
        velocity += update
        mean += self.flags.server_momentum * velocity
        mean *= self.flags.server_lr
        mean += before
