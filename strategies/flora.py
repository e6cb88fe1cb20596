"""FLoRA: the clients' products go into the base, and each round begins with fresh adapters (Wang et al. 2024)."""

from collections.abc import Sequence

from strategies import Array, Round, Strategy
from utils.seeds import generator
from utils.vectors.adapters import Adapted, adapted_layers, layer_of, mean_but_matrices


class FLoRA(Strategy):
    """W ← W + Σ pₖ·α/rₖ·Bₖ·Aₖ, the clients' stacked adapters of any ranks rₖ; then A is drawn anew, and B is 0.

    Source: section 3.2 of arXiv:2409.05976. The sums are float64; A is drawn from (seed, round, layer) as PEFT draws
    it: evenly between ±1/√in.
    """

    group = "adapters"
    trains = "lora"
    streams = goes_on = False
    whole = moves_base = mixes_ranks = True

    def unit(self, name: str) -> str:
        return layer_of(name)

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Array], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        shares = round.shares
        scales = [share * self.trained.scale(each.client) for share, each in zip(shares, round.participants)]
        new = mean_but_matrices(self.layout, window, before, clients, shares)
        for layer in adapted_layers(self.layout, window):
            layer.matrix(new)[:] += layer.product(clients, scales)
            new[layer.a.part], new[layer.b.part] = fresh(round, layer), 0
        return new


def fresh(round: Round, layer: Adapted) -> Array:
    """Return the A that a layer has after a round, float64 [r · in]."""
    rank, inputs = layer.a.shape
    rng = generator(round.seed, "fresh adapters", round.number, layer.number)
    return rng.uniform(-inputs ** -0.5, inputs ** -0.5, rank * inputs)
