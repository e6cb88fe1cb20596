"""The strategy: who takes part, and the mean of what they return."""

import numpy as np
import pytest
from flwr.common import Code, EvaluateRes, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from hypothesis import given
from hypothesis import strategies as st

from strategies.averaging import CHUNK, ParameterAveraging, weighted_mean
from utils.errors import RoundFailed
from utils.transport import Transport

OK = Status(Code.OK, "")


def strategy(n_clients=4, frac_fit=1.0, seed=0, initial=None, folder=""):
    initial = np.zeros(3, np.float32) if initial is None else initial
    return ParameterAveraging(initial, Transport(folder), n_clients=n_clients, frac_fit=frac_fit, seed=seed, n_parts=2)


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


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=6), st.integers(0, 99))
def test_the_mean_is_the_weighted_mean_by_hand(weights, seed):
    rng = np.random.default_rng(seed)
    vectors = [rng.standard_normal(7).astype(np.float32) for _ in weights]
    out = np.empty(7, np.float32)
    weighted_mean(vectors, weights, out)
    expected = sum(np.longdouble(w) * v.astype(np.longdouble) for w, v in zip(weights, vectors)) / sum(weights)
    assert np.array_equal(out, expected.astype(np.float32)) or np.allclose(out, expected.astype(np.float32), rtol=2e-7)


def test_the_mean_of_one_is_itself_bit_for_bit_also_across_chunks():
    vector = np.random.default_rng(0).standard_normal(CHUNK + 5).astype(np.float32)
    out = np.empty_like(vector)
    weighted_mean([vector], [12345], out)
    assert np.array_equal(out, vector)


@pytest.mark.parametrize("by_reference", [True, False])
def test_a_round_averages_in_client_order_whatever_order_answers_come_in(tmp_path, by_reference):
    folder = str(tmp_path) if by_reference else ""
    transport, rng = Transport(folder), np.random.default_rng(1)
    vectors, rows = rng.standard_normal((3, 9)).astype(np.float32), [10, 3, 7]
    answers = []
    for client, (vector, n) in enumerate(zip(vectors, rows)):
        buffer = transport.buffer(f"client-{client}", 9)
        buffer[:] = vector
        parameters = ndarrays_to_parameters(transport.pack(f"client-{client}", buffer))
        answers.append((None, FitRes(OK, parameters, n, {"client": client, "loss": 0.5})))
    means = []
    for order in ([0, 1, 2], [2, 0, 1]):
        averaging = strategy(3, initial=np.zeros(9, np.float32), folder=folder)
        parameters, metrics = averaging.aggregate_fit(1, [answers[k] for k in order], [])
        means.append(transport.unpack(parameters_to_ndarrays(parameters)).copy())
        assert [client["rows"] for client in metrics["clients"]] == rows
        assert np.array_equal(averaging.vector, means[-1])
    expected = (np.array(rows) @ vectors.astype(np.float64) / 20).astype(np.float32)
    assert np.array_equal(means[0], means[1]) and np.allclose(means[0], expected, rtol=1e-6)


def test_a_failure_ends_the_round_with_its_reason():
    with pytest.raises(RoundFailed, match="round 3: 1 of 4 training jobs failed: out of cheese"):
        strategy().aggregate_fit(3, [], [ValueError("out of cheese")])
    failed = EvaluateRes(Status(Code.EVALUATE_NOT_IMPLEMENTED, "no rows"), 0.0, 0, {})
    with pytest.raises(RoundFailed, match="1 of 2 evaluation jobs failed: no rows"):
        strategy().aggregate_evaluate(1, [], [(None, failed)])
