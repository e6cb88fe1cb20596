"""SLERP for any number of models: the Karcher mean of the updates' directions (Karcher 1977; Shoemake 1985 for two)."""

from collections.abc import Sequence

import numpy as np

from strategies import Array, Round, Strategy
from utils.vectors.gram import combined, grams_of_tensors

MOST = 100  # steps; ten are enough where the updates are within a right angle of each other
NEAR = 1e-7  # angles below it are none


class Karcher(Strategy):
    """w ← before + r·u, for each tensor: u is the mean on the sphere of the updates' directions, r that of their norms.

    u minimises Σ nₖ·angle(u, uₖ)², where nₖ are the clients' rows; with two clients it is SLERP. An update that is 0
    has no direction, but counts in r. Where opposite directions leave no mean, the tensor stays as it was.
    """

    group = "merging"
    streams, from_zero = False, True
    looks = 1

    def look(self, number: int, round: Round, window: slice, before: Array, clients: Sequence[Array],
             seen: Sequence[Array]) -> tuple[slice, Array]:
        return grams_of_tensors(self.layout, window, clients, before)

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Array], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        return combined(self.layout, window, before, clients,
                        lambda number: coefficients(seen[0][number], round.shares))


def coefficients(products: Array, weights: Array) -> Array:
    """Return c, float64 [K], of the mean Σ cₖ·vₖ of K updates vₖ, from their dot products with each other.

    Directions are given by their coefficients over the unit vectors uₖ: the mean lies in what these span. Each step
    goes along the mean of the logarithms of the uₖ at the present place (Riemannian gradient descent).
    """
    norms, shares = np.sqrt(products.diagonal()), weights / weights.sum()
    factors, moved = np.zeros(len(norms)), np.flatnonzero(norms * shares)
    if not len(moved):
        return factors
    cosines = products[np.ix_(moved, moved)] / np.outer(norms[moved], norms[moved])
    own = shares[moved] / shares[moved].sum()
    length = np.sqrt(max(0.0, own @ cosines @ own))
    if length < NEAR:
        return factors
    mean = own / length
    for _ in range(MOST):
        near = np.clip(cosines @ mean, -1, 1)
        angles = np.arccos(near)
        stretch = np.sinc(angles / np.pi)  # sin(angle)/angle
        pulls = np.divide(own, stretch, out=np.zeros_like(own), where=stretch > NEAR)
        tangent = pulls - (pulls @ near) * mean
        angle = np.sqrt(max(0.0, tangent @ cosines @ tangent))
        if angle < NEAR:
            break
        mean = np.cos(angle) * mean + np.sinc(angle / np.pi) * tangent
        mean /= np.sqrt(mean @ cosines @ mean)
    factors[moved] = shares @ norms * mean / norms[moved]
    return factors
