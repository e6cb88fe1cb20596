"""FedAvgM: momentum over the rounds' mean updates (Hsu et al. 2019, arXiv:1909.06335)."""

from collections.abc import Sequence
from dataclasses import dataclass

from strategies import Array, Round, Strategy
from utils.flags import POSITIVE, flag

MOMENTUM = 0.9


class FedAvgM(Strategy):
    """v ← 0.9·v + (mean − before); w ← before + server_lr·v."""

    @dataclass(frozen=True)
    class Flags:
        server_lr: float = flag(1.0, "learning rate of the server's momentum", valid=POSITIVE)

    group = "server optimizers"
    alone = True
    server_vectors = 1

    def step(self, round: Round, window: slice, before: Array, mean: Array, kept: Sequence[Array]) -> None:
        velocity, = kept
        velocity *= MOMENTUM
        velocity += mean - before
        mean[:] = before + self.flags.server_lr * velocity
