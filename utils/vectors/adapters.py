"""The adapters in a vector: A and B, whose product is added to the matrix beside them, named as PEFT names them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from utils.vectors.layout import Layout, Place

_PARTS = re.compile(r"\.(base_layer|lora_A|lora_B)\.")


def layer_of(name: str) -> str:
    """Return the layer that a matrix, or an adapter beside it, belongs to; for any other tensor its own `name`."""
    return _PARTS.split(name)[0]


@dataclass(frozen=True)
class Adapted:
    """A layer's places in a window: its matrix `base`, `a` [r, in] and `b` [out, r]; `number` is the layout's of it."""

    number: int
    base: Place
    a: Place
    b: Place

    def product(self, windows: Sequence[np.ndarray], scales: Iterable[float]) -> np.ndarray:
        """Return Σ scale·BA over some vectors' `windows`, as float64 of the shape of the matrix.

        It is one product, of the adapters stacked: [scale₁·B₁, scale₂·B₂, …] and [A₁; A₂; …].
        """
        a = np.concatenate([window[self.a.part].reshape(self.a.shape) for window in windows], dtype=np.float64)
        b = np.concatenate([scale * window[self.b.part].reshape(self.b.shape).astype(np.float64)
                            for window, scale in zip(windows, scales, strict=True)], axis=1)
        return (b @ a).T if self.base.inputs == 0 else b @ a

    def matrix(self, window: np.ndarray) -> np.ndarray:
        """Return the matrix itself, a view."""
        return window[self.base.part].reshape(self.base.shape)


def mean_but_matrices(layout: Layout, window: slice, before: np.ndarray, clients: Sequence[np.ndarray],
                      shares: Iterable[float]) -> np.ndarray:
    """Return a window of the clients' weighted mean, float32, whose matrices beside adapters are those `before`."""
    new, weights = before.copy(), list(shares)
    for number, part in layout.within(window):
        if ".base_layer." not in layout.places[number].name:
            new[part] = sum(weight * client[part].astype(np.float64) for weight, client in zip(weights, clients))
    return new


def adapted_layers(layout: Layout, window: slice) -> Iterator[Adapted]:
    """Yield the layers with adapters in a window, which cuts none and has their matrices."""
    layers: dict[str, dict[str, Place]] = {}
    numbers: dict[str, int] = {}
    for number, part in layout.within(window):
        place = layout.places[number]
        layer, *kind = _PARTS.split(place.name)
        if kind:
            layers.setdefault(layer, {})[kind[0]] = replace(place, part=part)
            numbers.setdefault(layer, number)
    for layer, parts in layers.items():
        yield Adapted(numbers[layer], parts["base_layer"], parts["lora_A"], parts["lora_B"])
