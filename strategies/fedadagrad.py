"""FedAdagrad: Adagrad on the rounds' mean updates (Reddi et al. 2021, arXiv:2003.00295, algorithm 2)."""

from strategies import Array
from strategies.fedadam import FedAdam


class FedAdagrad(FedAdam):
    """m ← 0.9·m + 0.1·Δ; v ← v + Δ²; w ← before + server_lr·m / (√v + τ), where Δ = mean − before."""

    def _accumulate(self, second: Array, update: Array) -> None:
        second += update * update
