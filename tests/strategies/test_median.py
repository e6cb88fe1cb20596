"""The coordinate-wise median against NumPy on whole vectors."""

import numpy as np
import pytest

from strategies.median import Median
from tests.strategies.rounds import LAYOUT, gaussian, initial, once, play, server, updated


@pytest.mark.parametrize("by_reference", [True, False])
def test_it_is_numpys_on_whole_vectors(tmp_path, by_reference):
    vector = initial()
    for number in (1, 2):
        vector = np.median(updated(vector, number), axis=0).astype(np.float32)
    assert np.array_equal(play(server(Median(Median.Flags(), LAYOUT), str(tmp_path) if by_reference else ""), 1, 2)
                          .vector, vector)


@pytest.mark.parametrize("n_clients", [2, 4, 14])
def test_of_an_even_number_of_clients_it_is_the_mean_of_the_two_in_the_middle(n_clients):
    clients = gaussian(0.1, n_clients)
    assert np.array_equal(once(Median(Median.Flags(), LAYOUT), initial(), clients), np.median(clients, axis=0))


def test_one_client_far_away_does_not_move_it():
    def clients(vector, number):
        return [vector, vector + 1e6, vector]

    assert np.array_equal(play(server(Median(Median.Flags(), LAYOUT)), 1, 3, clients).vector, initial())
