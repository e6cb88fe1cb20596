"""The names of a vector's parts: which tensor of the model lies where."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A tensor in a vector: its `name` in the model, its `shape`, and its elements `part`."""

    name: str
    shape: tuple[int, ...]
    part: slice


@dataclass(frozen=True)
class Layout:
    """Every tensor of a vector of `size` elements, in ascending order; what lies between them is zero."""

    size: int
    places: tuple[Place, ...]

    def within(self, window: slice) -> Iterator[tuple[int, slice]]:
        """Yield the number, in `places`, of each tensor that has elements in `window`, and where in it those are."""
        for number, place in enumerate(self.places):
            start, stop = max(place.part.start, window.start), min(place.part.stop, window.stop)
            if start < stop:
                yield number, slice(start - window.start, stop - window.start)
