"""A round's updates, all of them at once, a window at a time: for methods that need more than their mean."""

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from strategies import Round, Strategy
from utils.vectors.transport import WINDOW, Transport

AT_ONCE = 1 << 30  # bytes of all updates' windows; a merge may copy them once or twice


@dataclass(frozen=True)
class Updates:
    """The finite updates of a round: the arrays of each participant's message, and how their vectors travel."""

    arrays: Sequence[list[np.ndarray]]
    transport: Transport

    def windows(self, part: slice) -> list[Any]:
        """Return each participant's elements `part`: float32 [part], or a tuple of those of all its vectors."""
        transport = self.transport
        if transport.vectors == 1:
            return [transport.window(arrays, part) for arrays in self.arrays]
        return [tuple(transport.window(arrays, part, number) for number in range(transport.vectors))
                for arrays in self.arrays]


def merged(method: Strategy, this: Round, updates: Updates, held: Sequence[list[np.ndarray]], slot: str,
           threads: int = 1) -> tuple[list[np.ndarray], list[float]]:
    """Have `method` merge a round's updates into buffer `slot`, after as many looks at them as it asks for.

    `held`: the arrays of the global vector that the round began with, then of the method's own. Returns the arrays of
    the new one, float32 [n], and each update's L2 distance from it. A window of all updates is in memory for each
    thread: at most `threads`, and fewer where those windows would take more than AT_ONCE. Sums over windows are made in
    window order, so `threads` changes no bit.
    """
    transport = updates.transport
    out = transport.buffer(slot)
    seen: list[np.ndarray] = []

    def look(part: slice) -> np.ndarray:
        return method.look(len(seen), this, part, transport.window(held[0], part), updates.windows(part), seen)

    def merge(part: slice) -> list[float]:
        before, *kept = (transport.window(arrays, part) for arrays in held)
        clients, new = updates.windows(part), transport.window(out, part)
        new[:] = method.merge(this, part, before, clients, seen, kept)
        models = clients if transport.vectors == 1 else [vectors[0] for vectors in clients]
        return [float(np.square(model - new, dtype=np.float64).sum()) for model in models]

    windows = windows_of(method)
    most = 4 * max(part.stop - part.start for part in windows) * transport.vectors * len(updates.arrays)
    with ThreadPoolExecutor(max(1, min(threads, AT_ONCE // most))) as pool:
        for _ in range(method.looks):
            seen.append(sum_of(pool.map(look, windows)))
        squares = list(pool.map(merge, windows))
    return out, [math.sqrt(sum(of_one)) for of_one in zip(*squares)]


def windows_of(method: Strategy) -> list[slice]:
    """Return the windows in which `method` gets vectors: of WINDOW elements, or longer where it needs whole tensors."""
    layout = method.layout
    if method.whole:
        return list(layout.whole(method.unit, WINDOW))
    return [slice(start, min(start + WINDOW, layout.size)) for start in range(0, layout.size, WINDOW)]


def sum_of(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """Return the sum of arrays of one shape, added in order, as float64."""
    total: np.ndarray | None = None
    for array in arrays:
        total = np.array(array, np.float64) if total is None else total + array
    assert total is not None
    return total


def is_finite(arrays: list[np.ndarray], transport: Transport) -> bool:
    """Return whether every number of a message's vectors is finite."""
    return all(np.isfinite(transport.window(arrays, part, number)).all()
               for number in range(transport.vectors) for part in transport.windows())
