"""FedAdam against the paper's box in float64, through whole rounds."""

import numpy as np
import pytest

from strategies.fedadam import FedAdam
from tests.strategies.rounds import LAYOUT, ROWS, SIZE, initial, play, server, updated


@pytest.mark.parametrize("lr", [1e-3, 0.02])
def test_it_is_the_papers(lr):
    vector, first, second = initial().astype(np.float64), np.zeros(SIZE), np.zeros(SIZE)
    for number in (1, 2, 3):
        update = np.array(ROWS) @ np.array(updated(vector.astype(np.float32), number), np.float64) / 8 - vector
        first, second = 0.9 * first + 0.1 * update, 0.99 * second + 0.01 * update**2
        vector += lr * first / (np.sqrt(second) + 1e-3)
    mine = play(server(FedAdam(FedAdam.Flags(server_lr=lr), LAYOUT)), 1, 3)
    np.testing.assert_allclose(mine.vector, vector, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mine.kept, [first, second], rtol=1e-3, atol=1e-5)
