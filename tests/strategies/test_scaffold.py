"""SCAFFOLD's fixed point on quadratics: the optimum of the clients' mean loss, whatever their steps."""

import numpy as np
import pytest

from strategies.averaging import Averaging
from strategies.scaffold import Scaffold
from tests.strategies.quadratics import LAYOUT, Quadratics


@pytest.mark.parametrize("seed", range(3))
def test_it_ends_at_the_optimum_where_plain_averaging_does_not(seed):
    problem = Quadratics.drawn(seed)
    optimum = problem.balance(problem.curve)
    np.testing.assert_allclose(problem.played(Scaffold(Scaffold.Flags(), LAYOUT)), optimum, atol=1e-9)
    assert np.abs(problem.played(Averaging(Averaging.Flags(), LAYOUT)) - optimum).max() > 0.03


def test_its_control_variates_are_the_clients_gradients_there():
    """So at the end no client moves: their c's are their own gradients, whose mean is 0."""
    problem = Quadratics.drawn()
    method = Scaffold(Scaffold.Flags(), LAYOUT)
    there = problem.played(method)
    gradients = problem.curve * (there - problem.best)
    np.testing.assert_allclose(gradients.mean(0), 0, atol=1e-9)
    one_more = problem.played(method, 2001)
    np.testing.assert_allclose(one_more, there, atol=1e-9)
