"""The Karcher mean: SLERP for two clients, and for more the place where the pulls of all directions cancel out."""

import numpy as np
import pytest

from strategies.karcher import Karcher, coefficients
from tests.strategies.rounds import LAYOUT, ROWS, initial, once, updated

METHOD = Karcher(Karcher.Flags(), LAYOUT)


def directed(vectors):
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / norms, norms[..., 0]


@pytest.mark.parametrize("rows", [(1, 1), (3, 1)])
def test_two_clients_are_slerp(rows):
    start, clients = initial(), updated(initial(), 1)[:2]
    expected, share = start.astype(np.float64), rows[1] / sum(rows)
    for place in LAYOUT.places:
        (a, b), norms = directed((np.array(clients) - start)[:, place.part].astype(np.float64))
        angle = np.arccos(a @ b)
        between = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
        expected[place.part] += ((1 - share) * norms[0] + share * norms[1]) * between
    np.testing.assert_allclose(once(METHOD, start, clients, rows), expected, atol=2e-7)


def test_at_the_mean_of_more_clients_the_pulls_cancel_out():
    start, clients = initial(), updated(initial(), 1)
    new = once(METHOD, start, clients, ROWS)
    shares = np.array(ROWS) / sum(ROWS)
    for place in LAYOUT.places:
        directions, norms = directed((np.array(clients) - start)[:, place.part].astype(np.float64))
        mean, norm = directed((new - start)[place.part].astype(np.float64))
        near = directions @ mean
        pulls = (np.arccos(near) / np.sin(np.arccos(near)) * shares)[:, None] * (directions - np.outer(near, mean))
        assert np.linalg.norm(pulls.sum(axis=0)) < 1e-4 and norm == pytest.approx(shares @ norms, rel=1e-4)


@pytest.mark.parametrize("cosine", [-0.3, 0.0, 0.5, 0.999999, 1.0])
def test_the_steps_arrive_whatever_the_angle(cosine):
    products = np.full((4, 4), cosine) + (1 - cosine) * np.eye(4)
    c = coefficients(products, np.array([1.0, 2.0, 3.0, 9.0]))
    near = np.clip(products @ c, -1, 1)
    pulls = np.array([1, 2, 3, 9]) / 15 / np.sinc(np.arccos(near) / np.pi)
    tangent = pulls - (pulls @ near) * c
    assert c @ products @ c == pytest.approx(1) and tangent @ products @ tangent < 1e-12


def test_what_has_no_direction():
    assert not coefficients(np.zeros((2, 2)), np.ones(2)).any()
    assert np.allclose(coefficients(np.array([[4.0, 0], [0, 0]]), np.array([1.0, 3.0])), [0.25, 0])  # a quarter of r
    opposite = np.array([[1.0, -1], [-1, 1]])
    assert not coefficients(opposite, np.ones(2)).any()
    assert np.allclose(opposite @ coefficients(opposite, np.array([2.0, 1.0])), [1, -1])  # the one with more rows
    assert np.allclose(coefficients(np.array([[7.0]]), np.ones(1)), [1])
