"""The running average of the rounds' means against its formula in float64."""

import numpy as np
import pytest

from strategies.averaging import Averaging
from strategies.ema import Ema
from tests.strategies.rounds import LAYOUT, ROWS, initial, play, server, updated


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_it_is_the_formula(share):
    vector = initial().astype(np.float64)
    for number in (1, 2):
        mean = np.array(ROWS) @ np.array(updated(vector.astype(np.float32), number), np.float64) / sum(ROWS)
        vector = (1 - share) * vector + share * mean
    np.testing.assert_allclose(play(server(Ema(Ema.Flags(share=share), LAYOUT)), 1, 2).vector, vector, atol=1e-6)


def test_with_all_of_the_mean_it_is_plain_averaging():
    plain = play(server(Averaging(Averaging.Flags(), LAYOUT)), 1, 1).vector
    assert np.array_equal(play(server(Ema(Ema.Flags(share=1.0), LAYOUT)), 1, 1).vector, plain)
