"""FedProx: each client stays near the global model (Li et al. 2020, arXiv:1812.06127, algorithm 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strategies import Strategy, Term
from utils.flags import NOT_NEGATIVE, flag

if TYPE_CHECKING:
    from torch import Tensor


class FedProx(Strategy):
    """Clients minimise loss(w) + mu/2·‖w − w₀‖², where w₀ is the round's global vector; the server averages."""

    @dataclass(frozen=True)
    class Flags:
        mu: float = flag(0.01, "weight of the proximal term (0: plain averaging)", valid=NOT_NEGATIVE)

    group = "client-side terms"

    def term(self, received: "Sequence[Tensor]", own: "Sequence[Tensor]") -> Term:
        start, mu = received[0], self.flags.mu
        return Term(gradient=lambda values, place: mu * (values - start[place]))
