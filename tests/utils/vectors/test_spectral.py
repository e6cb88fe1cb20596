"""Singular values and vectors by the Gram matrix, against LAPACK's SVD in float64."""

import numpy as np
import pytest

from utils.vectors.layout import Layout, Place
from utils.vectors.spectral import matrices, orthogonal, rounding, svd


@pytest.mark.parametrize("shape", [(1, 5), (30, 30), (20, 70), (70, 20)])
@pytest.mark.parametrize("most", [None, 3])
def test_it_is_lapack_s(shape, most):
    """Singular values from 1 to a ten-thousandth."""
    left, values, right = np.linalg.svd(np.random.default_rng(0).standard_normal(shape), full_matrices=False)
    values = np.logspace(0, -4, values.size)
    matrix = (left * values @ right).astype(np.float32)
    left, values, right = (each[:, :most] if which == 0 else each[:most]
                           for which, each in enumerate(np.linalg.svd(matrix.astype(float), full_matrices=False)))
    found = svd(matrix, most)
    np.testing.assert_allclose(found[1], values, rtol=1e-6)
    np.testing.assert_allclose(found[0] * found[1] @ found[2], left * values @ right, atol=1e-12)
    np.testing.assert_allclose(found[0] @ found[2], left @ right, atol=1e-5)


def test_what_is_no_direction_is_left_out():
    two = np.zeros((5, 8), np.float32)
    two[0, 0], two[1, 1] = 3, 1
    assert [each.shape for each in svd(two)] == [(5, 2), (2,), (2, 8)]
    assert [each.shape for each in svd(np.zeros((5, 8), np.float32))] == [(5, 0), (0,), (0, 8)]
    assert not orthogonal(np.zeros((8, 5), np.float32)).any()


@pytest.mark.parametrize("k", [1, 3, 20])
@pytest.mark.parametrize("spread", [0.0, 1.5])
def test_what_rounding_adds_to_summed_updates_is_just_below_its_bound(k, spread):
    """Of weights of one size, and of rows and columns of many."""
    rng = np.random.default_rng(k)
    rows, columns = (np.exp(spread * rng.standard_normal((1, n))) for n in (200, 150))
    before = (0.04 * rows.T * columns * rng.standard_normal((200, 150))).astype(np.float32)
    updates = 1e-5 * before.std() * rng.standard_normal((k, 200, 150))
    mean = np.mean([(before + update).astype(np.float32) for update in updates], axis=0).astype(np.float32)
    added = np.linalg.norm(k * (mean - before).astype(np.float64) - updates.sum(axis=0), 2)
    assert rounding(before, k) / 50 < added < rounding(before, k)


def test_the_nearest_matrix_of_orthonormal_columns():
    found = orthogonal(np.random.default_rng(1).standard_normal((40, 9)))
    np.testing.assert_allclose(found.T @ found, np.eye(9), atol=1e-12)


def test_matrices_are_tensors_of_two_dimensions():
    layout = Layout(40, (Place("a", (2, 3), slice(0, 6)), Place("b", (10,), slice(16, 26)),
                         Place("c", (2, 2), slice(32, 36))))
    assert [*matrices(layout, slice(0, 40))] == [(slice(0, 6), (2, 3)), (slice(32, 36), (2, 2))]
    assert [*matrices(layout, slice(16, 40))] == [(slice(16, 20), (2, 2))]
