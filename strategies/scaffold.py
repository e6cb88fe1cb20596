"""SCAFFOLD: each client corrects its drift (Karimireddy et al. 2020, arXiv:1910.06378, algorithm 1, option II)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from strategies import Array, Round, Strategy, Term

if TYPE_CHECKING:
    from torch import Tensor


class Scaffold(Strategy):
    """Clients step by g + c − cₖ; then cₖ ← cₖ − c + (w₀ − wₖ)/(steps·lr), w ← mean of wₖ, c ← c + Σ Δcₖ / clients.

    g is what AdamW's step moves a parameter by, over the learning rate, and so is the cₖ that is made of such steps:
    c − cₖ goes beside AdamW, which would rescale it with the gradient. With plain gradient steps g is the gradient, and
    this is the paper's algorithm. Clients count alike, whatever their rows.
    """

    group = "client-side terms"
    weighted = False
    server_vectors = client_vectors = 1
    sent = returned = 2  # the model and c; the model and the change of cₖ

    def term(self, received: "Sequence[Tensor]", own: "Sequence[Tensor]") -> Term:
        (start, c), (c_k,) = received, own

        def returned(values: "Tensor", travelled: float) -> "list[Tensor]":
            change = (start - values) / travelled - c if travelled else 0 * c  # a warm-up begins at 0
            c_k.add_(change)
            return [change]

        return Term(direction=lambda values, place: c[place] - c_k[place], returned=returned)

    def step(self, round: Round, window: slice, before: Array, mean: Any, kept: Sequence[Array]) -> None:
        kept[0] += mean[1] * (len(round.participants) / round.n_clients)
