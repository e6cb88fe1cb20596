"""The clients' values of each element in ascending order, in pieces that stay in a core's caches."""

from collections.abc import Iterator, Sequence

import numpy as np

from utils.vectors.updates import ROOM

FEW = 12  # clients, up to which exchanging neighbours (odd-even transposition) is quicker than sorting


def ordered(clients: Sequence[np.ndarray]) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield each part of the `clients`' vectors [n], and their values there: float32 [clients, part], ascending."""
    size, length = len(clients[0]), max(ROOM // len(clients), 1024)
    for start in range(0, size, length):
        part = slice(start, min(start + length, size))
        values = np.array([client[part] for client in clients])
        if len(clients) > FEW:
            values.sort(axis=0)
        else:
            exchange(values)
        yield part, values


def exchange(values: np.ndarray) -> None:
    """Sort the columns of `values` [k, n] in place: in turn k, neighbours from row 0 on, then from row 1 on."""
    least = np.empty_like(values[0])
    for turn in range(len(values)):
        for lower, upper in zip(values[turn % 2::2], values[turn % 2 + 1::2]):
            np.minimum(lower, upper, out=least)
            np.maximum(lower, upper, out=upper)
            lower[:] = least
