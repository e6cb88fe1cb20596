"""Singular values and vectors of a tensor's matrix, by way of the eigenvectors of its Gram matrix.

In float64, whose squares keep what float32 numbers hold, that takes a half to a sixth of the time of LAPACK's float32
SVD (768 × 768, 768 × 3072; benchmarks/methods.py).
"""

from collections.abc import Iterator

import numpy as np

from utils.vectors.layout import Layout

NOTHING = 1e-6  # of the largest singular value: what is smaller is rounding, and its vectors are anything


def matrices(layout: Layout, window: slice) -> Iterator[tuple[slice, tuple[int, ...]]]:
    """Yield where in a `window`, which holds whole tensors, each matrix lies, and its shape."""
    for number, part in layout.within(window):
        shape = layout.places[number].shape
        if len(shape) == 2:
            yield part, shape


def rounding(before: np.ndarray, vectors: int) -> float:
    """Return a bound of the singular values that rounding to float32 gives the sum of so many updates of a matrix.

    The norm of a random matrix is about that of its longest row and of its longest column, together (Seginer 2000); an
    element w that is rounded is off by 0.3·eps·|w| (RMS), and K times a mean that is rounded by K times that.
    """
    squares = np.square(before, dtype=np.float64)
    longest = sum(np.sqrt(squares.sum(axis).max()) for axis in (0, 1))
    return float(np.finfo(np.float32).eps * vectors * longest)


def svd(matrix: np.ndarray, most: int | None = None, floor: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U [m, r], σ [r], descending, and Vᵀ [r, n], float64, of a matrix [m, n] of rank r, or the first `most`.

    Singular values up to `floor` are taken for rounding, too.
    """
    if matrix.shape[0] > matrix.shape[1]:
        right, values, left = svd(matrix.T, most, floor)
        return left.T, values, right.T
    matrix = matrix.astype(np.float64)
    squares, vectors = np.linalg.eigh(matrix @ matrix.T)
    squares, vectors = squares[::-1], vectors[:, ::-1]
    rank = int(np.sum(squares > max(NOTHING**2 * squares[0], floor**2))) if squares[0] > 0 else 0
    left = vectors[:, :rank][:, :most]
    values = np.sqrt(squares[:left.shape[1]])
    return left, values, left.T @ matrix / values[:, None]


def orthogonal(matrix: np.ndarray) -> np.ndarray:
    """Return the matrix with orthonormal columns (or rows) that is nearest to one: U·Vᵀ of its SVD (Procrustes)."""
    left, _, right = svd(matrix)
    return left @ right
