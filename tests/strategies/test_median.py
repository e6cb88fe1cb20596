"""The coordinate-wise median against NumPy on whole vectors."""

import numpy as np
import pytest

from strategies.median import Median
from tests.strategies.rounds import LAYOUT, initial, play, server, updated


@pytest.mark.parametrize("by_reference", [True, False])
def test_it_is_numpys_on_whole_vectors(tmp_path, by_reference):
    vector = initial()
    for number in (1, 2):
        vector = np.median(updated(vector, number), axis=0).astype(np.float32)
    assert np.array_equal(play(server(Median(Median.Flags(), LAYOUT), str(tmp_path) if by_reference else ""), 1, 2)
                          .vector, vector)


def test_one_client_far_away_does_not_move_it():
    def clients(vector, number):
        return [vector, vector + 1e6, vector]

    assert np.array_equal(play(server(Median(Median.Flags(), LAYOUT)), 1, 3, clients).vector, initial())
