"""MagMax against the definition on whole vectors."""

import numpy as np
import pytest

from strategies.magmax import MagMax
from tests.strategies.rounds import LAYOUT, SIZE, gaussian, initial, once, step_length, updated


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_it_takes_the_largest_change_of_each_parameter(scale):
    start, clients = initial(), updated(initial(), 1)
    deltas = np.array(clients) - start
    largest = deltas[np.abs(deltas).argmax(axis=0), np.arange(SIZE)]
    mine = once(MagMax(MagMax.Flags(scale=scale), LAYOUT), start, clients)
    np.testing.assert_allclose(mine, start + scale * largest, rtol=1e-6)


def test_its_step_is_longer_than_the_means():
    """Gaussian updates of four clients at a cosine of 0.05."""
    assert step_length(MagMax(MagMax.Flags(), LAYOUT), gaussian(0.05)) == pytest.approx(2.9, abs=0.05)
