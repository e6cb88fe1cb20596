"""Products of a round's updates with each other, and sums of them: for methods that work in the clients' span."""

from collections.abc import Sequence

import numpy as np

_PIECE_BYTES = 1 << 21  # of all updates' pieces together, as float64: they stay in a core's caches


def gram(vectors: Sequence[np.ndarray], origin: np.ndarray) -> np.ndarray:
    """Return the products (vⱼ − origin)·(vₖ − origin) of K float32 vectors [n], as float64 [K, K].

    Those of a whole vector are the sums of its windows' ones.
    """
    n, size = len(vectors), max(1, _PIECE_BYTES // 8 // len(vectors))
    products, room = np.zeros((n, n)), np.empty((n, min(size, len(origin))))
    for start in range(0, len(origin), size):
        part = slice(start, min(start + size, len(origin)))
        deltas = room[:, :part.stop - start]
        for vector, delta in zip(vectors, deltas):
            np.subtract(vector[part], origin[part], out=delta)
        products += deltas @ deltas.T
    return products


def squared_distances(products: np.ndarray) -> np.ndarray:
    """Return the squared distances between vectors, float64 [K, K], from their products with each other [K, K]."""
    norms = np.diagonal(products)
    return np.maximum(norms[:, None] + norms - 2 * products, 0)


def combination(coefficients: np.ndarray, vectors: Sequence[np.ndarray]) -> np.ndarray:
    """Return Σ coefficientₖ·vₖ of float32 vectors [n] as float64 [n], added in their order."""
    total = np.zeros(len(vectors[0]))
    for coefficient, vector in zip(coefficients, vectors):
        if coefficient:
            total += coefficient * vector.astype(np.float64)
    return total
