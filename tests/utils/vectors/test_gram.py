"""Products of updates against NumPy on whole vectors, across the pieces that they are made in."""

import numpy as np
import pytest

from utils.vectors.gram import combination, gram, squared_distances

SIZES = [1, 1000, 600_000]  # one piece, or several


@pytest.mark.parametrize("size", SIZES)
def test_products_and_distances_are_numpys(size):
    rng = np.random.default_rng(0)
    origin = rng.standard_normal(size).astype(np.float32)
    vectors = [origin + rng.normal(0, 0.01, size).astype(np.float32) for _ in range(5)]
    deltas = np.array(vectors, np.float64) - origin
    products = gram(vectors, origin)
    np.testing.assert_allclose(products, deltas @ deltas.T, rtol=1e-5, atol=1e-9)
    distances = [[np.square(one - other).sum() for one in deltas] for other in deltas]
    np.testing.assert_allclose(squared_distances(products), distances, rtol=1e-5, atol=1e-8)


def test_a_combination_leaves_out_what_has_no_share():
    vectors = [np.full(3, np.inf, np.float32), np.array([1, 2, 3], np.float32), np.array([1, 0, 1], np.float32)]
    np.testing.assert_array_equal(combination(np.array([0, 2, -1]), vectors), [1, 4, 5])
