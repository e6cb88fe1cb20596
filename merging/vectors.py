"""Saved models as the vectors of a merge."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from merging.tensors import NewFile, Tensor
from utils.errors import UserError
from utils.vectors.layout import Layout
from utils.vectors.transport import Transport


@dataclass(frozen=True)
class Measured:
    """What is measured of each model: vectors of a `layout`, as the `arrays` of messages of `transport`."""

    layout: Layout
    transport: Transport
    arrays: Sequence[list[np.ndarray]]


@dataclass(frozen=True)
class SavedVectors:
    """Models as vectors of a `layout`; what is merged goes to the tensors of `out` that have its names.

    `tensors`: of each model, then of the base, those of the layout's places; `names`: the same models', for messages.
    Without a base (`based`) the models are measured from zero. A method's `n_kept` vectors are zero, as before a first
    round, and what it makes of them is let go. `made_by`: the flag that names the method, for messages.
    """

    layout: Layout
    tensors: Sequence[Sequence[Tensor]]
    names: Sequence[str]
    out: NewFile
    based: bool = False
    n_kept: int = 0
    measured: Measured | None = None
    made_by: str = ""

    @property
    def nbytes(self) -> int:
        """What an element of all models takes."""
        return 4 * len(self.tensors) * (1 + (self.measured.transport.vectors if self.measured else 0))

    def before(self, part: slice) -> np.ndarray:
        """Return elements `part` of the base, or zeros."""
        return self._read(-1, part) if self.based else np.zeros(part.stop - part.start, np.float32)

    def kept(self, part: slice) -> list[np.ndarray]:
        """Return zeros."""
        return [np.zeros(part.stop - part.start, np.float32) for _ in range(self.n_kept)]

    def clients(self, part: slice) -> list[Any]:
        """Return each model's elements `part`, or a tuple of those and of what is measured of it."""
        models = [self._read(number, part) for number in range(len(self.tensors) - self.based)]
        if self.measured is None:
            return models
        transport = self.measured.transport
        return [(model, *(transport.window(arrays, part, number) for number in range(transport.vectors)))
                for model, arrays in zip(models, self.measured.arrays)]

    def write(self, part: slice, new: np.ndarray) -> np.ndarray:
        """Write elements `part` of what is merged. Raises UserError for what is no finite number."""
        new = np.ascontiguousarray(new, np.float32)
        if not np.isfinite(new).all():
            raise UserError(f"{self.made_by}: what it makes of these models is no finite number; give other values of "
                            "its flags, or another method")
        for tensor, first, within in self._pieces(part):
            self.out.write(self.layout.places[tensor].name, first, new[within])
        return new

    def written(self, part: slice) -> np.ndarray:
        """Return elements `part` of what is merged."""
        out = np.zeros(part.stop - part.start, np.float32)
        for tensor, first, within in self._pieces(part):
            self.out.tensors[self.layout.places[tensor].name].read(first, out[within])
        return out

    def _pieces(self, part: slice) -> Iterator[tuple[int, int, slice]]:
        """Yield the number of each tensor in a window, the first of its elements that are there, and their place."""
        for tensor, within in self.layout.within(part):
            yield tensor, part.start + within.start - self.layout.places[tensor].part.start, within

    def _read(self, number: int, part: slice) -> np.ndarray:
        """Return a model's elements `part`. Raises UserError, naming the tensor, where one is no finite number."""
        out, tensors = np.zeros(part.stop - part.start, np.float32), self.tensors[number]
        for tensor, first, within in self._pieces(part):
            tensors[tensor].read(first, out[within])
            if not np.isfinite(out[within]).all():
                raise UserError(f"{self.names[number]}: {self.layout.places[tensor].name} holds NaN or infinity: "
                                "leave this model out")
        return out
