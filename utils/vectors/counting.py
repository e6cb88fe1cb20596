"""How often the bits of floats have each value, compiled: the counts of utils/vectors/thresholds.py."""

import numpy as np
from numba import types

from utils.vectors.compiled import compiled

_LANES = 4  # counts of neighbours go to several tables: one after the other into one would wait for each other


def _count(bits: np.ndarray, prefixes: np.ndarray, known: int, shift: int, found: np.ndarray) -> None:
    """Add to `found`, [ranks, clients, bins], how often the bits from `known` down to `shift` have each value.

    Counted are those of the `bits`, [clients, n], whose bits from `known` on are the prefix, [ranks, clients]. The
    others go to a bin that is thrown away: a branch that is hard to foresee costs more.
    """
    bins = found.shape[2]
    tables = np.empty((_LANES, bins + 1), np.int32)
    for rank in range(prefixes.shape[0]):
        for client in range(prefixes.shape[1]):
            tables[:] = 0
            row, prefix = bits[client], prefixes[rank, client]
            for i in range(row.size):
                magnitude = row[i] & 0x7fffffff
                begins = (magnitude >> known) == prefix
                place = ((magnitude >> shift) & ((1 << (known - shift)) - 1)) if begins else bins
                tables[i % _LANES, place] += 1
            for lane in range(_LANES):
                for place in range(bins):
                    found[rank, client, place] += tables[lane, place]


count = compiled(_count, [types.void(types.int32[:, ::1], types.int32[:, ::1], types.int32, types.int32,
                                     types.int32[:, :, ::1])])
