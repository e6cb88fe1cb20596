"""The geometric median against a minimiser of its own objective and against whole vectors, with spoilt updates."""

import numpy as np
import pytest
from scipy.optimize import minimize

from strategies.geometric_median import GeometricMedian, coefficients
from tests.strategies.rounds import LAYOUT, ROWS, initial, play, server, updated
from tests.strategies.test_krum import spoilt


@pytest.mark.parametrize("by_reference", [True, False])
def test_it_is_the_papers_iteration_on_whole_vectors(tmp_path, by_reference):
    vector, weights = initial().astype(np.float64), np.array(ROWS) / sum(ROWS)
    came = np.array(updated(initial(), 1), np.float64)
    vector = weights @ came
    for _ in range(100):
        beta = weights / np.maximum(1e-6, np.linalg.norm(came - vector, axis=1))
        vector = beta @ came / beta.sum()
    mine = play(server(GeometricMedian(GeometricMedian.Flags(), LAYOUT), str(tmp_path) if by_reference else ""), 1, 1)
    np.testing.assert_allclose(mine.vector, vector, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_it_minimises_the_weighted_sum_of_distances(seed):
    rng = np.random.default_rng(seed)
    points, weights = rng.standard_normal((6, 3)), rng.uniform(1, 5, 6)
    share = coefficients(points @ points.T, weights)
    best = minimize(lambda w: weights @ np.linalg.norm(points - w, axis=1), points.mean(0), method="Nelder-Mead",
                    options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000})
    np.testing.assert_allclose(share @ points, best.x, atol=1e-5)
    assert share.sum() == pytest.approx(1)


@pytest.mark.parametrize("rows", [[5, 1, 3], [1]])
def test_a_client_with_more_than_half_of_the_rows_is_the_median(rows):
    points = np.random.default_rng(0).standard_normal((len(rows), 50))
    np.testing.assert_allclose(coefficients(points @ points.T, rows), np.eye(len(rows))[0], atol=1e-4)


def test_two_equal_clients_have_their_mean_and_spoilt_ones_little_to_say(monkeypatch, caplog):
    points = np.random.default_rng(0).standard_normal((2, 50))
    np.testing.assert_allclose(coefficients(points @ points.T, [3, 3]), [0.5, 0.5], rtol=1e-9)
    came = spoilt(initial(), 1)
    honest = np.mean([one for k, one in enumerate(came) if k not in (1, 4)], axis=0)
    mine = play(server(GeometricMedian(GeometricMedian.Flags(), LAYOUT)), 1, 1, lambda *_: came).vector
    assert np.linalg.norm(mine - honest) < 0.2 * np.linalg.norm(np.mean(came, axis=0) - honest)
    monkeypatch.setattr("utils.console.NOTES.propagate", True)
    GeometricMedian.check(GeometricMedian.Flags(), 2)
    assert "a round may have 2 client(s) only" in caplog.text
