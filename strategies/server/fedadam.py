"""FedAdam: Adam on the rounds' mean updates (Reddi et al. 2021, arXiv:2003.00295, algorithm 2)."""

from collections.abc import Sequence

import numpy as np

from utils.config import RunConfig

BETA_1, BETA_2, TAU = 0.9, 0.99, 1e-3
LR = 1e-3


class Server:
    """m ← 0.9·m + 0.1·Δ; v ← 0.99·v + 0.01·Δ²; w ← before + lr·m / (√v + τ), where Δ = mean − before.

    lr is `--server_lr` (by default 0.001): about what a round moves a parameter that all clients agree on.
    """

    n_states = 2

    def __init__(self, config: RunConfig) -> None:
        self.lr = config.server_lr or LR

    def step(self, server_round: int, before: np.ndarray, mean: np.ndarray, states: Sequence[np.ndarray]) -> None:
        """Turn `mean` into the new global vector."""
        first, second = states
        update = mean - before
        first *= BETA_1
        first += (1 - BETA_1) * update
        second *= BETA_2
        second += (1 - BETA_2) * update * update
        mean[:] = before + self.lr * first / (np.sqrt(second) + TAU)
