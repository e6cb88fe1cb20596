"""Model Stock against the paper's formula in float64 on whole tensors."""

from itertools import combinations

import numpy as np
import pytest

from strategies.model_stock import ModelStock, ratio
from tests.strategies.rounds import LAYOUT, gaussian, initial, once, step_length, updated

METHOD = ModelStock(ModelStock.Flags(), LAYOUT)


def test_it_is_the_papers():
    start = initial()
    clients = [client + 0.01 * start for client in updated(start, 1)]  # at an angle below a right one
    expected = start.astype(np.float64)
    for place in LAYOUT.places:
        deltas = (np.array(clients) - start)[:, place.part].astype(np.float64)
        cosine = np.mean([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in combinations(deltas, 2)])
        t = 3 * cosine / (2 * cosine + 1)
        assert 0.3 < t < 1
        expected[place.part] += t * deltas.mean(axis=0)
    np.testing.assert_allclose(once(METHOD, start, clients), expected, atol=2e-7)


def test_clients_count_alike_whatever_their_rows():
    start, clients = initial(), updated(initial(), 1)
    assert np.array_equal(once(METHOD, start, clients), once(METHOD, start, clients, (30, 1, 4)))


def test_the_ratio_is_1_for_equal_updates_and_0_from_a_right_angle_on():
    assert ratio(np.full((3, 3), 4.0)) == pytest.approx(1)
    assert ratio(np.array([[4.0]])) == 1
    assert ratio(np.diag([1.0, 2.0])) == ratio(np.array([[1.0, -0.9], [-0.9, 1.0]])) == 0
    assert ratio(np.array([[1.0, 0, 1], [0, 0, 0], [1, 0, 1]])) == pytest.approx(3 / 3 / (2 / 3 + 1))  # one of 0


def test_its_step_is_far_shorter_than_the_means():
    """Gaussian updates of four clients at a cosine of 0.05."""
    assert step_length(METHOD, gaussian(0.05)) == pytest.approx(0.17, abs=0.01)
