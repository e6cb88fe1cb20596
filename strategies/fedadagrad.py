"""FedAdagrad: Adagrad on the rounds' mean updates (Reddi et al. 2021, arXiv:2003.00295, algorithm 2, with β₁ = 0)."""

from dataclasses import dataclass

from strategies import Array
from strategies.fedadam import FedAdam
from utils.flags import POSITIVE, flag


class FedAdagrad(FedAdam):
    """v ← v + Δ²; w ← before + server_lr·Δ / (√v + τ), where Δ = mean − before."""

    @dataclass(frozen=True)
    class Flags:
        server_lr: float = flag(1e-3, "about what the first round moves a parameter; later ones move it less",
                                valid=POSITIVE)

    _beta_1 = 0.0

    def _accumulate(self, second: Array, update: Array) -> None:
        second += update * update
