"""FedNova's fixed point on quadratics, beside FedAvg's; and its box in float64 on whole vectors."""

import numpy as np
import pytest

from strategies import Participant, Round
from strategies.averaging import Averaging
from strategies.fednova import FedNova
from tests.strategies.quadratics import LAYOUT, Quadratics

METHOD, PLAIN = FedNova(FedNova.Flags(), LAYOUT), Averaging(Averaging.Flags(), LAYOUT)


@pytest.mark.parametrize("seed", range(3))
def test_its_fixed_point_is_the_normalised_one_and_plain_averagings_is_not(seed):
    problem = Quadratics.drawn(seed)
    pull = problem.shares * problem.moved()
    np.testing.assert_allclose(problem.played(PLAIN), problem.balance(pull), atol=1e-9)
    np.testing.assert_allclose(problem.played(METHOD), problem.balance(pull / np.array(problem.steps)[:, None]),
                               atol=1e-9)


def test_it_is_consistent_for_small_steps_where_plain_averaging_leans_to_many_steps():
    """The paper's theorem 1: the mean by rows of the losses is what FedNova minimises; FedAvg's has the steps in it."""
    problem = Quadratics.drawn(lr=1e-3)
    optimum = problem.balance(problem.shares * problem.curve)
    leaning = problem.balance(problem.shares * problem.curve * np.array(problem.steps)[:, None])
    np.testing.assert_allclose(problem.played(METHOD), optimum, atol=0.03)
    np.testing.assert_allclose(problem.played(PLAIN), leaning, atol=0.03)
    assert np.abs(leaning - optimum).max() > 0.1


def test_a_round_is_the_papers_box():
    rng = np.random.default_rng(0)
    before, clients = rng.standard_normal(6), rng.standard_normal((3, 6))
    of = tuple(Participant(k, rows, steps) for k, (rows, steps) in enumerate([(30, 2), (10, 5), (7, 1)]))
    shares, steps = np.array([30, 10, 7]) / 47, np.array([2, 5, 1])
    expected = before + (shares @ steps) * (shares / steps) @ (clients - before)
    weights = tuple(map(METHOD.weight, of))
    mean = np.average(clients, axis=0, weights=weights)
    METHOD.step(Round(1, 0, 3, of, weights), slice(0, 6), before, mean, [])
    np.testing.assert_allclose(mean, expected, rtol=1e-12)


def test_equally_many_steps_leave_the_mean_as_it_is():
    of = tuple(Participant(k, rows, 7) for k, rows in enumerate([3, 11, 5]))
    mean = np.random.default_rng(0).standard_normal(6).astype(np.float32)
    kept = mean.copy()
    METHOD.step(Round(1, 0, 3, of, ()), slice(0, 6), np.zeros(6, np.float32), mean, [])
    assert np.array_equal(mean, kept)
