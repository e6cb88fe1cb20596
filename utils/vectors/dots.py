"""Dot products of a few rows with each other, compiled: in float64, and not of as many threads as a library has."""

import numpy as np
from numba import njit, types

from utils.vectors.compiled import compiled


def dots(rows: np.ndarray) -> np.ndarray:
    """Return the dot product of each two of `rows`, float32 [K, n], as float64 [K, K].

    Rows of a few thousand elements are the quickest for each element: they stay in a core's caches.
    """
    products = np.empty((len(rows), len(rows)))
    _compiled_dots(rows, products)
    return products


@njit(nogil=True, fastmath={"reassoc"})  # many lanes at once, so in an order of the compiler's
def _dot(x: np.ndarray, y: np.ndarray) -> float:
    total = 0.0
    for i in range(x.size):
        total += np.float64(x[i]) * np.float64(y[i])
    return total


def _dots(rows: np.ndarray, products: np.ndarray) -> None:
    for j in range(rows.shape[0]):
        for k in range(j + 1):
            products[j, k] = products[k, j] = _dot(rows[j], rows[k])


_compiled_dots = compiled(_dots, [types.void(types.float32[:, ::1], types.float64[:, ::1])])
