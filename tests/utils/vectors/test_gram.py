"""Products of updates against NumPy on whole vectors, across the pieces that they are made in."""

import numpy as np
import pytest

from engine.merging import seen_by
from utils.vectors.gram import combination, gram, grams_of_tensors, squared_distances
from utils.vectors.layout import Layout, Place

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


def test_a_combination_is_float64_and_in_order():
    rows = np.random.default_rng(0).standard_normal((11, 40_000)).astype(np.float32)
    weights = 10.0 ** np.arange(-5, 6)
    assert np.array_equal(combination(weights, rows), sum(w * row.astype(np.float64) for w, row in zip(weights, rows)))


def test_products_of_tensors_are_those_of_their_parts():
    layout = Layout(9000, (Place("a", (30,), slice(0, 30)), Place("b", (8000,), slice(32, 8032)),
                           Place("c", (9,), slice(8032, 8041))))
    rng = np.random.default_rng(0)
    origin, vectors = rng.standard_normal(9000).astype(np.float32), rng.standard_normal((3, 9000)).astype(np.float32)
    found = seen_by((grams_of_tensors(layout, window, vectors[:, window], origin[window])
                     for window in (slice(0, 5000), slice(5000, 9000))), len(layout.places))
    for place, products in zip(layout.places, found):
        own = (vectors - origin)[:, place.part].astype(np.float64)
        np.testing.assert_allclose(products, own @ own.T, rtol=1e-12, atol=1e-12)
