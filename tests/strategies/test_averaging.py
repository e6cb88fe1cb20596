"""The strategy: who takes part, and a round's mean."""

import numpy as np
import pytest
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from hypothesis import given
from hypothesis import strategies as st

from strategies.averaging import ParameterAveraging
from utils.transport import Transport

OK = Status(Code.OK, "")


def strategy(n_clients=4, frac_fit=1.0, seed=0, size=3, folder=""):
    return ParameterAveraging(np.zeros(size, np.float32), Transport(folder, size), n_clients=n_clients,
                              frac_fit=frac_fit, seed=seed, n_parts=2)


@given(st.integers(1, 50), st.floats(0.01, 1), st.integers(0, 99), st.integers(1, 20))
def test_participants_are_a_sampled_part_of_the_clients(n_clients, frac_fit, seed, server_round):
    chosen = strategy(n_clients, frac_fit, seed).participants(server_round)
    assert len(chosen) == len(set(chosen)) == max(1, round(frac_fit * n_clients))
    assert chosen == sorted(chosen) and set(chosen) <= set(range(n_clients))
    assert chosen == strategy(n_clients, frac_fit, seed).participants(server_round)


def test_all_clients_take_their_turn():
    rounds = [strategy(5, 0.4, 1).participants(server_round) for server_round in range(1, 41)]
    counts = np.bincount(np.concatenate(rounds), minlength=5)
    assert counts.sum() == 80 and (abs(counts - 16) <= 10).all() and len({tuple(chosen) for chosen in rounds}) > 5


@pytest.mark.parametrize("by_reference", [True, False])
def test_a_round_averages_what_its_clients_sent_by_rows(tmp_path, by_reference):
    folder = str(tmp_path) if by_reference else ""
    averaging, rng = strategy(3, size=9, folder=folder), np.random.default_rng(1)
    vectors, rows = rng.standard_normal((3, 9)).astype(np.float32), [10, 3, 7]
    answers = ((None, FitRes(OK, ndarrays_to_parameters(averaging.transport.send(f"client-{k}", vectors[k])), rows[k],
                             {"client": k, "loss": 0.5, "seconds": 2.0})) for k in range(3))
    parameters, metrics = averaging.aggregate_fit(1, answers, [])
    mean = averaging.transport.receive(parameters_to_ndarrays(parameters))
    assert metrics["clients"] == [{"client": k, "rows": rows[k], "loss": 0.5, "seconds": 2.0} for k in range(3)]
    np.testing.assert_allclose(mean, np.array(rows) @ vectors.astype(np.float64) / 20, rtol=1e-6)
    out = np.empty(9, np.float32)
    averaging.read(out)
    assert np.array_equal(out, mean)
