"""The server side of a round: participants drawn, updates merged or refused, what a method keeps and sends."""

import numpy as np
import pytest
from flwr.common import parameters_to_ndarrays
from flwr.server import SimpleClientManager
from flwr.server.compat.grid_client_proxy import GridClientProxy
from hypothesis import given
from hypothesis import strategies as st

from engine.flower_strategy import FlowerStrategy, ServerState
from strategies import Strategy
from tests.strategies.rounds import LAYOUT, answer, initial, play, server, state_of, updated
from utils.config import RunConfig
from utils.errors import RoundFailed
from utils.plugins import STRATEGIES, TRAINED
from utils.vectors.layout import Layout
from utils.vectors.transport import Transport

AVERAGING = STRATEGIES.load("averaging")


def strategy(n_clients=4, size=3, folder="", method=AVERAGING, start=0, **flags):
    state = ServerState(start, np.zeros(size, np.float32))
    return FlowerStrategy(method(method.Flags(), Layout(size, ())), RunConfig(**flags), state, Transport(folder, size),
                          n_clients, n_parts=2)


@given(st.integers(1, 50), st.floats(0.01, 1), st.integers(0, 99), st.integers(1, 20))
def test_participants_are_a_sampled_part_of_the_clients(n_clients, frac_fit, seed, server_round):
    chosen = strategy(n_clients, frac_fit=frac_fit, seed=seed).participants(server_round)
    assert len(chosen) == len(set(chosen)) == max(1, round(frac_fit * n_clients))
    assert chosen == sorted(chosen) and set(chosen) <= set(range(n_clients))
    assert chosen == strategy(n_clients, frac_fit=frac_fit, seed=seed).participants(server_round)


def test_all_clients_take_their_turn():
    rounds = [strategy(5, frac_fit=0.4, seed=1).participants(server_round) for server_round in range(1, 41)]
    counts = np.bincount(np.concatenate(rounds), minlength=5)
    assert counts.sum() == 80 and (abs(counts - 16) <= 10).all() and len({tuple(chosen) for chosen in rounds}) > 5


@pytest.mark.parametrize("by_reference", [True, False])
def test_a_round_averages_what_its_clients_sent_by_rows(tmp_path, by_reference):
    averaging = strategy(3, size=9, folder=str(tmp_path) if by_reference else "")
    vectors, rows = np.random.default_rng(1).standard_normal((3, 9)).astype(np.float32), [10, 3, 7]
    answers = (answer(k, averaging.messages.send(f"client-{k}", vectors[k]), rows[k]) for k in range(3))
    clients = averaging.aggregate(1, answers, [])
    mean = averaging.transport.receive(parameters_to_ndarrays(averaging.sent))
    drifts = [client.pop("drift") for client in clients]
    assert clients == [{"client": k, "rows": rows[k], "loss": 0.5, "seconds": 2.0} for k in range(3)]
    np.testing.assert_allclose(drifts, np.linalg.norm(vectors - mean, axis=1), rtol=1e-5)
    np.testing.assert_allclose(mean, np.array(rows) @ vectors.astype(np.float64) / 20, rtol=1e-6)
    assert np.array_equal(state_of(averaging, 1).vector, mean)


@pytest.mark.parametrize("method", ["averaging", "scaffold", "median"])
def test_the_models_of_those_that_have_answered_can_be_kept(method):
    one, models = strategy(3, method=STRATEGIES.load(method), min_success=2), {}
    vectors = np.random.default_rng(1).standard_normal((3, one.method.returned, 3)).astype(np.float32)
    one.aggregate(1, [answer(0, [*vectors[0]]), None, answer(2, [*vectors[2]])], ["client 1: gone"], models)
    assert [*models] == [0, 2]
    for client, arrays in models.items():
        assert np.array_equal(arrays, vectors[client][:1])


WRONG = {"NaN": np.array([0, np.nan, 0], np.float32), "infinity": np.array([0, 0, -np.inf], np.float32),
         "size": np.zeros(4, np.float32), "type": np.zeros(3)}


@pytest.mark.parametrize("method", ["averaging", "median"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_update_is_refused_and_counts_as_a_failure(wrong, method):
    good, failures = np.array([1, 2, 3], np.float32), ["client 0: out of cheese"]
    one = strategy(4, method=STRATEGIES.load(method), min_success=2)
    answers = [None, answer(1, [good], 5), answer(2, [WRONG[wrong]], 7), answer(3, [good * 3], 5)]
    clients = one.aggregate(1, answers, failures)
    assert [client["client"] for client in clients] == [1, 3]
    assert state_of(one, 1).vector.tolist() == [2, 4, 6]
    assert failures[0] == "client 0: out of cheese" and failures[1].startswith("client 2: its update is refused: it ")


@pytest.mark.parametrize("by_reference", [True, False])
@pytest.mark.parametrize("method", ["averaging", "median"])
@pytest.mark.parametrize("sent", [0, 2])
def test_with_too_few_successes_the_round_fails_and_the_global_vector_stays(tmp_path, by_reference, method, sent):
    one = strategy(3, folder=str(tmp_path) if by_reference else "", method=STRATEGIES.load(method), start=1)
    vector = np.full(3, 7, np.float32)
    answers = (answer(k, one.messages.send(f"client-{k}", vector)) for k in range(sent))
    with pytest.raises(RoundFailed, match=f"round 2: {sent} of 3 clients succeeded.*--min_success 3: client 2: gone"):
        one.aggregate(2, answers, ["client 2: gone"])
    assert not state_of(one, 1).vector.any()


@pytest.mark.parametrize("name", STRATEGIES.names())
def test_going_on_from_what_the_server_holds_gives_the_same_bits(tmp_path, name):
    cls = STRATEGIES.load(name)
    method = cls(cls.Flags(), LAYOUT, TRAINED.flags(cls.trains)() if cls.trains else None)
    sent: list[tuple[np.ndarray, ...]] = []

    def clients(vector: np.ndarray, number: int) -> list[tuple[np.ndarray, ...]]:
        sent[:] = [(model, *(abs(model) for _ in range(method.returned - 1))) for model in updated(vector, number)]
        return sent

    whole = play(server(method), 1, 3, clients)
    half = play(server(method), 1, 1, clients)
    resumed = server(method, str(tmp_path), half)
    again = play(resumed, 2, 3, clients)
    assert np.array_equal(again.vector, whole.vector) and np.array_equal(again.kept, whole.kept)
    for k, update in enumerate(sent):  # what the clients have sent is still there, for a diagnosis
        buffer = resumed.messages.buffer(f"client-{k}")
        assert np.array_equal(resumed.messages.window(buffer, slice(0, len(update[0]))), update[0])


class Control(Strategy):
    """Keeps the sum of what clients send beside their models, and sends it with the global vector."""

    server_vectors, sent, returned = 2, 2, 2

    def weight(self, participant):
        return participant.steps

    def step(self, round, window, before, mean, kept):
        model, beside = mean
        kept[0] += beside
        kept[1][:] = round.n_clients + len(round.participants)
        model += before


@pytest.mark.parametrize("by_reference", [True, False])
def test_more_than_one_vector_goes_out_and_comes_back(tmp_path, by_reference):
    """Each has its mean, weighted as the method says, and is cut into windows at its own beginning."""
    start, beside = initial(), np.arange(len(initial()), dtype=np.float32)
    one = server(Control(Control.Flags(), LAYOUT), str(tmp_path) if by_reference else "")

    def clients(vector, number):
        return [(update, beside * (k + 1)) for k, update in enumerate(updated(vector, number))]

    end = play(one, 1, 2, clients)
    first = start + np.mean(updated(start, 1), axis=0, dtype=np.float64)
    np.testing.assert_allclose(end.vector, first + np.mean(updated(first.astype(np.float32), 2), axis=0), rtol=1e-4,
                               atol=1e-5)
    np.testing.assert_allclose(end.kept[0], 4 * beside, rtol=1e-6)  # two rounds of mean (1 + 2 + 3) / 3
    assert (end.kept[1] == 6).all()
    sent = [one.transport.receive([array]) for array in parameters_to_ndarrays(one.sent)]
    assert len(sent) == 2 and np.array_equal(sent[0], end.vector) and np.array_equal(sent[1], end.kept[0])


@pytest.mark.parametrize("weight, words", [
    (0.0, "gives no update any weight"), (np.nan, "gives client 0 the weight nan"),
    (-1.0, "gives client 0 the weight -1.0")])
def test_weights_that_make_no_mean_fail_the_round(weight, words):
    one = strategy(2)
    one.method.weight = lambda participant: weight
    with pytest.raises(RoundFailed, match=f"round 1: --strategy averaging {words}"):
        one.aggregate(1, [answer(k, [np.ones(3, np.float32)]) for k in range(2)], [])


def test_flowers_server_gets_a_buffer_for_each_update_and_this_projects_loop_a_few():
    """Flower's collects all updates of a round before the first is averaged."""
    manager, one = SimpleClientManager(), strategy(40)
    for node in (1, 2):
        manager.register(GridClientProxy(node, None, 0))
    pairs = one.configure_fit(1, one.sent, manager)
    assert sorted(message.config["slot"] for _, message in pairs) == list(range(40))
    assert {proxy.node_id for proxy, _ in pairs} == {1, 2}
    assert {message.config["slot"] for message in one.fit_messages(1, one.sent, 2)} == set(range(10))
    diagnosed = strategy(40, diagnose=1, val_ratio=0.2)
    assert {message.config["slot"] for message in diagnosed.fit_messages(1, one.sent, 2)} == set(range(40))
