"""The r-th largest magnitude of an update's elements in each tensor: exact, in memory that no tensor's size changes.

The bits of a positive float are ordered as the floats are. So the elements are counted by their first 8 bits, then,
among those that begin as the one that is sought, by the next 8, and so on: four looks, radix selection.
"""

from collections.abc import Callable, Sequence

import numpy as np

from utils.vectors.layout import Layout
from utils.vectors.updates import updates

SHIFTS = (23, 15, 7, 0)  # of each look: the place of its last bit
LOOKS = len(SHIFTS)
BINS = 256  # of 8 bits; the last look has only 7

Ranks = Callable[[int], Sequence[int]]  # of a tensor's size: places among its magnitudes, from 0, the largest


def counts(layout: Layout, ranks: Ranks, window: slice, before: np.ndarray, clients: Sequence[np.ndarray],
           seen: Sequence[np.ndarray]) -> tuple[slice, np.ndarray]:
    """Return a look's counts over a `window`, which are to be added up over all, with the numbers of its tensors.

    They are int32 [tensors of the window, ranks, clients, 256]; `seen` are the sums of the looks before, of all
    tensors.
    """
    from utils.vectors.counting import count  # Numba takes half a second to import: --help need not wait for it
    shift, known = SHIFTS[len(seen)], (31, *SHIFTS)[len(seen)]
    numbers = layout.numbers(window)
    found = np.zeros((numbers.stop - numbers.start, len(ranks(1)), len(clients), BINS), np.int32)
    for number, place in layout.within(window):
        prefixes = _prefixes(layout, ranks, number, seen, len(clients))
        for _, values in updates(before, clients, place):
            count(values.view(np.int32), prefixes, known, shift, found[number - numbers.start])
    return numbers, found


def thresholds(layout: Layout, ranks: Ranks, number: int, seen: Sequence[np.ndarray]) -> np.ndarray:
    """Return the magnitudes at the `ranks` of tensor `number`, float32 [ranks, clients, 1], after LOOKS looks."""
    return _prefixes(layout, ranks, number, seen, seen[0].shape[2]).view(np.float32)[:, :, None]


def _prefixes(layout: Layout, ranks: Ranks, number: int, seen: Sequence[np.ndarray], clients: int) -> np.ndarray:
    """Return the first bits, as far as `seen`, of the magnitudes at the ranks of a tensor: int32 [ranks, clients]."""
    part = layout.places[number].part
    left = np.repeat(np.array(ranks(part.stop - part.start))[:, None], clients, axis=1)  # ranks among what is left
    prefixes = np.zeros(left.shape, np.int32)
    for shift, known, look in zip(SHIFTS, (31, *SHIFTS), seen):
        downwards = look[number][:, :, ::-1].cumsum(axis=2)  # of a bin and all above it
        above = (downwards <= left[:, :, None]).sum(axis=2)  # bins
        left -= np.where(above, np.take_along_axis(downwards, np.maximum(above - 1, 0)[:, :, None], 2)[:, :, 0], 0
                         ).astype(left.dtype)
        prefixes = (prefixes << (known - shift)) + (BINS - 1 - above).astype(np.int32)
    return prefixes
