"""FedEx-LoRA: what the means of A and B lack of the clients' products goes into the base (Singhal et al. 2024)."""

from collections.abc import Sequence

from strategies import Array, Round, Strategy
from utils.vectors.adapters import adapted_layers, layer_of, mean_but_matrices


class FedExLoRA(Strategy):
    """A ← Σ pₖ·Aₖ, B ← Σ pₖ·Bₖ, W ← W + α/r·(Σ pₖ·Bₖ·Aₖ − B·A): W + α/r·B·A is exactly the clients' mean.

    Source: equations 9 to 11 of arXiv:2410.09432. The sums are float64.
    """

    group = "adapters"
    trains = "lora"
    streams = False
    whole = moves_base = True

    def unit(self, name: str) -> str:
        return layer_of(name)

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Array], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        shares = round.shares
        new = mean_but_matrices(self.layout, window, before, clients, shares)
        for layer in adapted_layers(self.layout, window):
            lacking = layer.product([*clients, new], [*shares, -1])
            layer.matrix(new)[:] += self.trained.scale(0) * lacking
        return new
