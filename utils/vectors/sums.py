"""The arithmetic of the mean, compiled."""

from collections.abc import Sequence

import numpy as np
from numba import njit, types

from utils.vectors.compiled import compiled

GROUP = 8  # vectors added in one pass, at most
_BLOCK = 2048  # elements, whose sums stay in a core's fastest cache
_FLOATS, _DOUBLES = (types.Array(dtype, 1, "C", readonly=True) for dtype in (types.float32, types.float64))
_SIGNATURES = [types.float64(types.UniTuple(_FLOATS, GROUP), _DOUBLES, _DOUBLES, out, types.float64, types.float64[::1])
               for out in (types.float32[::1], types.float64[::1])]


def add(windows: Sequence[np.ndarray], weights: Sequence[float], before: np.ndarray | None, out: np.ndarray,
        divisor: float, squares: np.ndarray) -> bool:
    """Set `out` to `before` + Σ weightₖ·windowₖ, divided by `divisor` unless that is 0; all are of one length.

    `windows`: float32, at most GROUP; `before` (None: 0) float64; `out` float32 with a divisor, else float64. The sums
    are float64 and made in the order given. With a divisor, each window's squared distance from `out` is added to
    `squares`, float64 [windows], unless that is empty. Returns False, with `out` of no use, when not every number is
    finite: sums of finite numbers are.
    """
    nothing = [np.empty(0, np.float32)] * (GROUP - len(windows))  # so that one compiled function serves any number
    total = _compiled_add((*windows, *nothing), np.array(weights, np.float64),
                          np.empty(0) if before is None else before, out, float(divisor), squares)
    return bool(np.isfinite(total))


def mean_of(windows: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """Return the weighted mean of float32 windows, float32, with the bits that it has as a part of a streamed one."""
    sums = None
    for first in range(0, len(windows), GROUP):
        last = first + GROUP >= len(windows)
        out = np.empty(windows[0].size, np.float32 if last else np.float64)
        add(windows[first:first + GROUP], weights[first:first + GROUP], sums, out, sum(weights) if last else 0,
            np.empty(0))
        sums = out
    assert sums is not None
    return sums


@njit(nogil=True, fastmath={"reassoc"})  # many lanes at once, so in an order of the compiler's
def _sum(x: np.ndarray) -> float:
    total = 0.0
    for i in range(x.size):
        total += x[i]
    return total


@njit(nogil=True, fastmath={"reassoc"})
def _squared_distance(x: np.ndarray, y: np.ndarray) -> np.float32:
    total = np.float32(0)
    for i in range(x.size):
        difference = x[i] - y[i]
        total += difference * difference
    return total


def _add(windows: tuple[np.ndarray, ...], weights: np.ndarray, before: np.ndarray, out: np.ndarray, divisor: float,
         squares: np.ndarray) -> float:
    """Return the sum over all elements, which is not finite if one of them is not; add to `squares`."""
    block, all_sums = np.empty(_BLOCK), 0.0
    for start in range(0, out.size, _BLOCK):
        stop = min(start + _BLOCK, out.size)
        sums, here = block[:stop - start], out[start:stop]
        if before.size:
            sums[:] = before[start:stop]
        else:
            sums[:] = 0.0
        for k in range(weights.size):
            window, weight = windows[k][start:stop], weights[k]
            for i in range(sums.size):
                sums[i] += weight * window[i]  # exact where the weight is a number of rows: 24 bits times that
        all_sums += _sum(sums)
        if divisor == 0:
            here[:] = sums
            continue
        for i in range(sums.size):
            here[i] = sums[i] / divisor
        for k in range(squares.size):
            squares[k] += _squared_distance(windows[k][start:stop], here)
    return all_sums


_compiled_add = compiled(_add, _SIGNATURES)
