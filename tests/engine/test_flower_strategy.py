"""The strategy: who takes part, and a round's mean."""

import numpy as np
import pytest
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from hypothesis import given
from hypothesis import strategies as st

from engine.flower_strategy import ParameterAveraging
from utils.errors import RoundFailed
from utils.vectors.transport import Transport

OK = Status(Code.OK, "")


def strategy(n_clients=4, frac_fit=1.0, seed=0, size=3, folder="", **options):
    return ParameterAveraging(np.zeros(size, np.float32), Transport(folder, size), n_clients=n_clients,
                              frac_fit=frac_fit, seed=seed, n_parts=2, **options)


def answer(client, arrays, rows=1):
    return None, FitRes(OK, ndarrays_to_parameters(arrays), rows, {"client": client, "loss": 0.5, "seconds": 2.0})


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
    answers = (answer(k, averaging.transport.send(f"client-{k}", vectors[k]), rows[k]) for k in range(3))
    parameters, metrics = averaging.aggregate_fit(1, answers, [])
    mean = averaging.transport.receive(parameters_to_ndarrays(parameters))
    drifts = [client.pop("drift") for client in metrics["clients"]]
    assert metrics["clients"] == [{"client": k, "rows": rows[k], "loss": 0.5, "seconds": 2.0} for k in range(3)]
    np.testing.assert_allclose(drifts, np.linalg.norm(vectors - mean, axis=1), rtol=1e-5)
    np.testing.assert_allclose(mean, np.array(rows) @ vectors.astype(np.float64) / 20, rtol=1e-6)
    out = np.empty(9, np.float32)
    averaging.read(out)
    assert np.array_equal(out, mean)


WRONG = {"NaN": np.array([0, np.nan, 0], np.float32), "infinity": np.array([0, 0, -np.inf], np.float32),
         "size": np.zeros(4, np.float32), "type": np.zeros(3)}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_update_is_refused_and_counts_as_a_failure(wrong):
    good, failures = np.array([1, 2, 3], np.float32), ["client 0: out of cheese"]
    averaging = strategy(4, min_success=2)
    answers = [None, answer(1, [good], 5), answer(2, [WRONG[wrong]], 7), answer(3, [good * 3], 5)]
    _, metrics = averaging.aggregate_fit(1, answers, failures)
    assert [client["client"] for client in metrics["clients"]] == [1, 3] and averaging.vector[0].tolist() == [2, 4, 6]
    assert failures[0] == "client 0: out of cheese" and failures[1].startswith("client 2: its update is refused: it ")


@pytest.mark.parametrize("by_reference", [True, False])
@pytest.mark.parametrize("sent", [0, 2])
def test_with_too_few_successes_the_round_fails_and_the_global_vector_stays(tmp_path, by_reference, sent):
    averaging = strategy(3, folder=str(tmp_path) if by_reference else "", done=1)
    vector, failures = np.full(3, 7, np.float32), ["client 2: gone"]
    answers = (answer(k, averaging.transport.send(f"client-{k}", vector)) for k in range(sent))
    with pytest.raises(RoundFailed, match=f"round 2: {sent} of 3 clients succeeded.*--min_success 3: client 2: gone"):
        averaging.aggregate_fit(2, answers, failures)
    out = np.ones(3, np.float32)
    averaging.read(out)
    assert not out.any()
