"""Products of a round's updates with each other, and sums of them: for methods that work in the clients' span."""

from collections.abc import Callable, Sequence

import numpy as np

from utils.vectors.layout import Layout
from utils.vectors.updates import updates


def gram(vectors: Sequence[np.ndarray], origin: np.ndarray) -> np.ndarray:
    """Return the products (vⱼ − origin)·(vₖ − origin) of K float32 vectors [n], as float64 [K, K].

    Those of a whole vector are the sums of its windows' ones.
    """
    from utils.vectors.dots import dots  # Numba takes half a second to import: --help need not wait for it
    products = np.zeros((len(vectors), len(vectors)))
    for _, deltas in updates(origin, vectors, slice(0, len(origin))):
        products += dots(deltas)
    return products


def grams_of_tensors(layout: Layout, window: slice, vectors: Sequence[np.ndarray], origin: np.ndarray
                     ) -> tuple[slice, np.ndarray]:
    """Return those products of each tensor's elements in a `window`, float64 [tensors there, K, K], and their numbers.
    """
    products = [gram([vector[place] for vector in vectors], origin[place]) for _, place in layout.within(window)]
    return layout.numbers(window), np.array(products).reshape(-1, len(vectors), len(vectors))


def squared_distances(products: np.ndarray) -> np.ndarray:
    """Return the squared distances between vectors, float64 [K, K], from their products with each other [K, K]."""
    norms = np.diagonal(products)
    return np.maximum(norms[:, None] + norms - 2 * products, 0)


def combination(coefficients: Sequence[float] | np.ndarray, vectors: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Return Σ coefficientₖ·vₖ of float32 vectors [n] as float64 [n], added in their order, without those of 0."""
    from utils.vectors.sums import GROUP, add  # Numba, as above
    total = np.zeros(len(vectors[0]))
    summands = [(vector, coefficient) for vector, coefficient in zip(vectors, coefficients) if coefficient]
    for first in range(0, len(summands), GROUP):
        windows, weights = zip(*summands[first:first + GROUP])
        add(windows, weights, total, total, 0, np.empty(0))
    return total


def combined(layout: Layout, window: slice, before: np.ndarray, clients: Sequence[np.ndarray],
             coefficients: Callable[[int], np.ndarray]) -> np.ndarray:
    """Return `before` + Σ cₖ·(client k − before), float32, where a tensor's c, float64 [K], are `coefficients(number)`.

    All are elements of a `window`; the number is the tensor's in the layout.
    """
    new = before.copy()
    for number, place in layout.within(window):
        of_tensor = coefficients(number)
        for part, values in updates(before, clients, place):
            new[part] += combination(of_tensor, values)
    return new
