"""Norms and scalar products of steps, in float64, in one pass over the vectors that they are between."""

import numpy as np
from numba import njit, types

from utils.vectors.compiled import compiled

_FLOATS = types.Array(types.float32, 1, "C", readonly=True)


def compare(before: np.ndarray, mean: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return ‖new − before‖², ‖mean − before‖² and (new − before)·(mean − before) of float32 windows: float64 [3]."""
    return np.array(_compiled_compare(before, mean, new))


def squared_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Return ‖x − y‖² of float32 windows."""
    return float(_compiled_distance(x, y))


@njit(nogil=True, fastmath={"reassoc"})  # many lanes at once, so in an order of the compiler's
def _sums(before: np.ndarray, mean: np.ndarray, new: np.ndarray) -> tuple[float, float, float]:
    square, mean_square, product = 0.0, 0.0, 0.0
    for i in range(before.size):
        start = np.float64(before[i])
        step, to_mean = new[i] - start, mean[i] - start
        square += step * step
        mean_square += to_mean * to_mean
        product += step * to_mean
    return square, mean_square, product


@njit(nogil=True, fastmath={"reassoc"})
def _sum(x: np.ndarray, y: np.ndarray) -> float:
    total = 0.0
    for i in range(x.size):
        difference = np.float64(x[i]) - y[i]
        total += difference * difference
    return total


def _compare(before: np.ndarray, mean: np.ndarray, new: np.ndarray) -> tuple[float, float, float]:
    return _sums(before, mean, new)


def _distance(x: np.ndarray, y: np.ndarray) -> float:
    return _sum(x, y)


_compiled_compare = compiled(_compare, [types.UniTuple(types.float64, 3)(_FLOATS, _FLOATS, _FLOATS)])
_compiled_distance = compiled(_distance, [types.float64(_FLOATS, _FLOATS)])
