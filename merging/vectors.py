"""Saved models as the vectors of a merge."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from merging.tensors import NewFile, Tensor
from utils.errors import UserError
from utils.vectors.layout import Layout


@dataclass(frozen=True)
class SavedVectors:
    """Models as vectors of a `layout`; what is merged goes to `out`, from its element `first` on.

    `tensors`: of each model, then of the base, those of the layout's places; `names`: the same models', for messages.
    Without a base (`based`) the models are the updates of zero. A method's `n_kept` vectors are zero, as before a first
    round, and what it makes of them is let go.
    """

    layout: Layout
    tensors: Sequence[Sequence[Tensor]]
    names: Sequence[str]
    out: NewFile
    first: int = 0
    based: bool = False
    n_kept: int = 0

    @property
    def nbytes(self) -> int:
        """What an element of all models takes."""
        return 4 * len(self.tensors)

    def before(self, part: slice) -> np.ndarray:
        """Return elements `part` of the base, or zeros."""
        return self._read(-1, part) if self.based else np.zeros(part.stop - part.start, np.float32)

    def kept(self, part: slice) -> list[np.ndarray]:
        """Return zeros."""
        return [np.zeros(part.stop - part.start, np.float32) for _ in range(self.n_kept)]

    def clients(self, part: slice) -> list[Any]:
        """Return each model's elements `part`."""
        return [self._read(number, part) for number in range(len(self.tensors) - self.based)]

    def write(self, part: slice, new: np.ndarray) -> np.ndarray:
        """Write elements `part` of what is merged. Raises UserError for what is no finite number."""
        new = np.ascontiguousarray(new, np.float32)
        if not np.isfinite(new).all():
            raise UserError("--strategy: what it makes of these models is no finite number; give others of its flags")
        self.out.write(self.first + part.start, new)
        return new

    def written(self, part: slice) -> np.ndarray:
        """Return elements `part` of what is merged."""
        return self.out.read(self.first + part.start, part.stop - part.start)

    def _read(self, number: int, part: slice) -> np.ndarray:
        """Return a model's elements `part`. Raises UserError, naming the tensor, where one is no finite number."""
        out, tensors = np.empty(part.stop - part.start, np.float32), self.tensors[number]
        for tensor, within in self.layout.within(part):
            first = part.start + within.start - self.layout.places[tensor].part.start
            tensors[tensor].read(first, out[within])
            if not np.isfinite(out[within]).all():
                raise UserError(f"{self.names[number]}: {self.layout.places[tensor].name} holds NaN or infinity: "
                                "leave this model out")
        return out
