"""RegMean: each linear layer fits its clients' outputs (Jin et al. 2023, arXiv:2212.09849, equation 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from strategies import Array, Probe, Round, Strategy
from utils.flags import SHARE, WHOLE_FROM_0, flag
from utils.vectors.layout import Layout
from utils.vectors.triangles import Triangles

if TYPE_CHECKING:
    from torch import Tensor

# Of the mean diagonal element: where a client's rows never use an input, its weights count a little. It lies above the
# rounding of G and of G·(W − W₀) to float32, which a plain G (gram_scale = 1) of few rows is singular but for.
RIDGE = 1e-3


class RegMean(Strategy):
    """W ← (Σ nₖ·Gₖ)⁻¹ Σ nₖ·Gₖ·Wₖ of linear layers, W [in, out]: Gₖ = Xᵀ·X of a layer's inputs X, a row's mean, with
    the elements off its diagonal times gram_scale; other tensors: the mean.

    The same with updates in the place of weights, W = W₀ + (Σ nₖ·Gₖ)⁻¹ Σ nₖ·Gₖ·(Wₖ − W₀), loses fewer digits, and that
    is what is made: a client sends G·(W − W₀) at W's place, and G's upper triangle in further vectors.
    """

    @dataclass(frozen=True)
    class Flags:
        probe_rows: int = flag(128, "rows of each client that its model is measured on (0: all)", valid=WHOLE_FROM_0)
        gram_scale: float = flag(0.9, "what the products of different inputs are multiplied by (alpha of the paper)",
                                 valid=SHARE)

    group = "merging"
    whole = True

    def __init__(self, flags: Any, layout: Layout, trained: Any = None) -> None:
        super().__init__(flags, layout, trained)
        self._triangles = Triangles(layout)
        self.returned = 2 + self._triangles.count

    @property
    def measuring_bytes(self) -> int:
        return 4 * (sum(n * n for n in self._triangles.sizes.values()) + self.returned * self.layout.size)

    def unit(self, name: str) -> str:
        return self._triangles.unit(name)

    def measured(self, probe: Probe) -> "Sequence[Tensor]":
        grams = {number: probe.values.new_zeros(n, n) for number, n in self._triangles.sizes.items()}
        n = 0
        for batch in probe.rows(self.flags.probe_rows):
            n += 1
            for number, x in probe.inputs(batch):
                grams[number].addmm_(x.T, x)
        products, *triangles = (probe.values.new_zeros(len(probe.values)) for _ in range(1 + self._triangles.count))
        for number, gram in grams.items():
            place = self.layout.places[number]
            diagonal = gram.diagonal() / n
            gram *= self.flags.gram_scale / n
            gram.diagonal().copy_(diagonal + (RIDGE * diagonal.mean() or 1.0))
            update = probe.values[place.part] - probe.start[place.part]
            of_inputs = update.view(place.shape)
            products[place.part] = (gram @ of_inputs if place.inputs == 0 else of_inputs @ gram).flatten()
            self._triangles.write(number, gram, triangles)
        return [products, *triangles]

    def step(self, round: Round, window: slice, before: Array, mean: Any, kept: Sequence[Array]) -> None:
        models, products, *triangles = mean
        for number, inside in self.layout.within(window):
            place = self.layout.places[number]
            if place.inputs is not None:
                product = products[inside].reshape(place.shape).astype(np.float64)
                by_inputs = product if place.inputs == 0 else product.T
                update = np.linalg.solve(self._triangles.read(number, window, triangles), by_inputs)
                models[inside] = before[inside] + (update if place.inputs == 0 else update.T).flatten()
