"""The geometric median against a minimiser of its own objective and against whole vectors, with spoilt updates."""

import numpy as np
import pytest
from scipy.optimize import minimize

from strategies.geometric_median import GeometricMedian, coefficients
from tests.strategies.rounds import LAYOUT, initial, once, play, server, updated
from tests.strategies.test_krum import spoilt


@pytest.mark.parametrize("by_reference", [True, False])
def test_it_is_the_papers_iteration_on_whole_vectors(tmp_path, by_reference):
    rows = (3, 3, 4)
    weights = np.array(rows) / sum(rows)
    came = np.array(updated(initial(), 1), np.float64)
    vector = weights @ came
    for _ in range(40):
        beta = weights / np.maximum(1e-6, np.linalg.norm(came - vector, axis=1))
        vector = beta @ came / beta.sum()
    there = server(GeometricMedian(GeometricMedian.Flags(), LAYOUT), str(tmp_path) if by_reference else "")
    mine = play(there, 1, 1, rows=rows)
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


@pytest.mark.parametrize("rows", [[5, 1, 3], [4, 1, 3], [1]])
def test_a_client_with_half_or_more_of_the_rows_is_the_median(rows):
    points = np.random.default_rng(0).standard_normal((len(rows), 50))
    assert coefficients(points @ points.T, rows).tolist() == np.eye(len(rows))[0].tolist()


@pytest.mark.parametrize("directions", [(1, 1), (1, -1), (1, -0.999)])
@pytest.mark.parametrize("far", [1e5, 1e10, 1e30])
def test_two_of_five_clients_however_far_leave_it_among_the_others(far, directions):
    """On a line the median lies among these; in the plane it is where it is with less far ones, but for a little."""
    line = np.array([[0.0], [1], [3], *([far * one] for one in directions)])
    median, = coefficients(line @ line.T, np.ones(5)) @ line
    assert median == pytest.approx(3 if directions == (1, 1) else 1, abs=1e-5)
    came = updated(initial(), 1)
    method, away = GeometricMedian(GeometricMedian.Flags(), LAYOUT), came[0] - came[1]
    found, nearer = (once(method, initial(), [*came, *(np.float32(length * one) * away for one in directions)])
                     for length in (far, 1e6))
    mean = np.mean(came, axis=0)
    assert np.linalg.norm(found - nearer) < 0.01 * np.linalg.norm(mean - came[0])
    assert np.linalg.norm(found - mean) < 3 * np.linalg.norm(mean - came[0])


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
