"""FedAvgM: momentum over the rounds' mean updates (Hsu et al. 2019, arXiv:1909.06335)."""

from collections.abc import Sequence

import numpy as np

from utils.config import RunConfig

MOMENTUM = 0.9
LR = 1.0


class Server:
    """v ← 0.9·v + (mean − before); w ← before + lr·v, with `--server_lr` (by default 1)."""

    n_states = 1

    def __init__(self, config: RunConfig) -> None:
        self.lr = config.server_lr or LR

    def step(self, server_round: int, before: np.ndarray, mean: np.ndarray, states: Sequence[np.ndarray]) -> None:
        """Turn `mean` into the new global vector."""
        velocity, = states
        velocity *= MOMENTUM
        velocity += mean - before
        mean[:] = before + self.lr * velocity
