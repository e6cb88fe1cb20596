"""The adapters in a vector: A and B, whose product is added to the matrix beside them, named as PEFT names them."""

import re
from collections.abc import Iterator
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

    def product(self, window: np.ndarray) -> np.ndarray:
        """Return BA of a vector's `window`, as float64 of the shape of the matrix."""
        a, b = (window[place.part].reshape(place.shape).astype(np.float64) for place in (self.a, self.b))
        return (b @ a).T if self.base.inputs == 0 else b @ a

    def matrix(self, window: np.ndarray) -> np.ndarray:
        """Return the matrix itself, a view."""
        return window[self.base.part].reshape(self.base.shape)


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
