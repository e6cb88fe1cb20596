"""Symmetric matrices that travel beside a vector: those of each linear layer's inputs with each other.

A layer [out, in] has in·(in + 1)/2 different products of its inputs: more than weights where it narrows, as 3072 → 768
or a classifier, and fewer elsewhere. So neighbouring tensors share their room, and the windows of a merge cut no group.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.vectors.layout import Layout


@dataclass(frozen=True)
class Group:
    """Neighbouring tensors, elements `start` to `stop` of a vector, whose matrices have `needed` elements."""

    start: int
    stop: int
    needed: int

    @property
    def length(self) -> int:
        """Elements of the vector."""
        return self.stop - self.start


class Triangles:
    """Where the upper triangles of the matrices [in, in] of a layout's linear layers lie in `count` further vectors.

    `sizes`: {number of a layer's weight in the layout's places: in}.
    """

    def __init__(self, layout: Layout) -> None:
        self.sizes = {k: place.shape[place.inputs] for k, place in enumerate(layout.places) if place.inputs is not None}
        needed = [n * (n + 1) // 2 for n in (self.sizes.get(k, 0) for k in range(len(layout.places)))]
        self.count = max(1, -(-sum(needed) // layout.size))
        begins = [0, *(place.part.start for place in layout.places[1:]), layout.size]
        tensors = [Group(*part) for part in zip(begins, begins[1:], needed)]
        self._of: dict[str, int] = {}
        self._at: dict[int, tuple[Group, int]] = {}  # a matrix's group, and its place in that
        number = 0
        for k, group in enumerate(grouped(tensors, self.count)):
            at = 0
            while number < len(tensors) and tensors[number].start < group.stop:
                self._of[layout.places[number].name] = k
                self._at[number] = group, at
                at, number = at + needed[number], number + 1

    def unit(self, name: str) -> str:
        """Return what the tensor `name` has in common with those that share its group."""
        return str(self._of[name])

    def write(self, number: int, matrix: Any, vectors: Sequence[Any]) -> None:
        """Put the upper triangle of a symmetric `matrix` [in, in] into `vectors` [n]: all arrays, or tensors."""
        triangle = matrix[np.triu_indices(len(matrix))]
        for vector, there, here in self._pieces(number):
            vectors[vector][there] = triangle[here]

    def read(self, number: int, window: slice, vectors: Sequence[np.ndarray]) -> np.ndarray:
        """Return the symmetric matrix, float64 [in, in], from elements `window` of the vectors, which have it all."""
        n = self.sizes[number]
        triangle, matrix = np.empty(n * (n + 1) // 2), np.empty((n, n))
        for vector, there, here in self._pieces(number):
            triangle[here] = vectors[vector][there.start - window.start:there.stop - window.start]
        upper = np.triu_indices(n)
        matrix[upper] = triangle
        matrix.T[upper] = triangle
        return matrix

    def _pieces(self, number: int) -> Iterator[tuple[int, slice, slice]]:
        """Yield where the pieces of a triangle are: the vector, its elements, and those of the triangle."""
        (group, at), n = self._at[number], self.sizes[number]
        done, size = 0, n * (n + 1) // 2
        while done < size:
            vector, offset = divmod(at + done, group.length)
            length = min(size - done, group.length - offset)
            start = group.start + offset
            yield vector, slice(start, start + length), slice(done, done + length)
            done += length


def grouped(tensors: Sequence[Group], count: int) -> list[Group]:
    """Return the tensors in as small groups as have room in `count` vectors for what all of each need."""
    groups: list[Group] = []
    start = needed = 0
    for tensor in tensors:
        needed += tensor.needed
        if needed <= count * (tensor.stop - start):
            groups.append(Group(start, tensor.stop, needed))
            start, needed = tensor.stop, 0
    last = Group(start, tensors[-1].stop if tensors else 0, needed)
    while groups and last.needed > count * last.length:
        before = groups.pop()
        last = Group(before.start, last.stop, before.needed + last.needed)
    return [*groups, last] if last.length else groups
