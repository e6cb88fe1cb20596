"""FedYogi: Yogi on the rounds' mean updates (Reddi et al. 2021, arXiv:2003.00295, algorithm 2)."""

import numpy as np

from strategies import Array
from strategies.fedadam import BETA_2, FedAdam


class FedYogi(FedAdam):
    """m ← 0.9·m + 0.1·Δ; v ← v − 0.01·Δ²·sign(v − Δ²); w ← before + server_lr·m / (√v + τ), where Δ = mean − before."""

    def _accumulate(self, second: Array, update: Array) -> None:
        square = update * update
        second -= (1 - BETA_2) * square * np.sign(second - square)
