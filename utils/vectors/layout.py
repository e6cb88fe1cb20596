"""The names of a vector's parts: which tensor of the model lies where."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby


@dataclass(frozen=True)
class Place:
    """A tensor in a vector: its `name` in the model, its `shape`, and its elements `part`.

    `inputs`: of a linear layer's weight, the axis of its inputs: 1 of torch's, 0 of GPT-2's; None of other tensors.
    """

    name: str
    shape: tuple[int, ...]
    part: slice
    inputs: int | None = None


@dataclass(frozen=True)
class Layout:
    """Every tensor of a vector of `size` elements, in ascending order; what lies between them is zero."""

    size: int
    places: tuple[Place, ...]

    @property
    def fingerprint(self) -> str:
        """The sha256, in hex, of all of it."""
        return sha256(repr(self).encode()).hexdigest()

    def within(self, window: slice) -> Iterator[tuple[int, slice]]:
        """Yield the number, in `places`, of each tensor that has elements in `window`, and where in it those are."""
        for number, place in enumerate(self.places):
            start, stop = max(place.part.start, window.start), min(place.part.stop, window.stop)
            if start < stop:
                yield number, slice(start - window.start, stop - window.start)

    def numbers(self, window: slice) -> slice:
        """Return which of `places` are the tensors that have elements in `window`."""
        numbers = [number for number, _ in self.within(window)]
        return slice(numbers[0], numbers[-1] + 1) if numbers else slice(0, 0)

    def whole(self, unit: Callable[[str], str], size: int) -> Iterator[slice]:
        """Yield the parts of the vector, of `size` elements at most where they can, that cut no unit.

        A unit is a tensor, or neighbours for whose names `unit` returns the same.
        """
        begins = [next(places).part.start for _, places in groupby(self.places, lambda place: unit(place.name))]
        start = 0
        for begin, end in zip(begins[1:], [*begins[2:], self.size]):
            if end - start > size:
                yield slice(start, begin)
                start = begin
        yield slice(start, self.size)
