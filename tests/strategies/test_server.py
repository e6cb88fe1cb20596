"""Server optimizers: FedAvgM against Flower's own, FedAdam against the paper's box in float64, through whole rounds."""

import numpy as np
import pytest
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server.strategy import FedAvgM

from engine.flower_strategy import ParameterAveraging, method_of
from utils.config import RunConfig
from utils.errors import UserError
from utils.plugins import STRATEGIES
from utils.vectors.layout import Layout
from utils.vectors.transport import WINDOW, Transport

SIZE = WINDOW + 5
ROWS = (3, 1, 4)


def answers(vectors, send):
    """What three clients of a round answer."""
    return [(None, FitRes(Status(Code.OK, ""), ndarrays_to_parameters(send(k, vector)), ROWS[k],
                          {"client": k, "loss": 0.5, "seconds": 1.0})) for k, vector in enumerate(vectors)]


def rounds(folder, n, config, initial, done=0, states=()):
    """Run rounds done + 1 … n; each client adds a vector of its own to the global one. Returns it and the states."""
    averaging = ParameterAveraging(initial, Transport(folder, SIZE), n_clients=3, frac_fit=1.0, seed=0, n_parts=1,
                                   done=done, method=method_of(config, Layout(SIZE, ())), states=states)
    for number in range(done + 1, n + 1):
        before = np.empty(SIZE, np.float32)
        averaging.read(before)
        averaging.aggregate_fit(number, iter(answers(
            updated(before, number), lambda k, vector: averaging.transport.send(f"client-{k}", vector))), [])
    out = np.empty(SIZE, np.float32)
    averaging.read(out)
    return out, averaging.read_states()


def updated(vector, number):
    """The clients' vectors of a round that begins with `vector`."""
    return [vector + np.random.default_rng((number, k)).normal(0, 0.01, SIZE).astype(np.float32) for k in range(3)]


@pytest.fixture(scope="module")
def initial():
    return np.random.default_rng(9).standard_normal(SIZE).astype(np.float32)


@pytest.mark.parametrize("by_reference", [True, False])
@pytest.mark.parametrize("lr", [1.0, 0.5])
def test_fedavgm_is_flowers(tmp_path, initial, by_reference, lr):
    theirs = FedAvgM(server_momentum=0.9, server_learning_rate=lr,
                     initial_parameters=ndarrays_to_parameters([initial]))
    vector = initial
    for number in (1, 2, 3):
        parameters, _ = theirs.aggregate_fit(number, answers(updated(vector, number), lambda k, one: [one]), [])
        vector, = parameters_to_ndarrays(parameters)
        theirs.initial_parameters = parameters
    mine, _ = rounds(str(tmp_path) if by_reference else "", 3, RunConfig.of(strategy="fedavgm", server_lr=lr),
                     initial)
    np.testing.assert_allclose(mine, vector, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lr", [0.001, 0.02])
def test_fedadam_is_the_papers(initial, lr):
    vector, first, second = initial.astype(np.float64), np.zeros(SIZE), np.zeros(SIZE)
    for number in (1, 2, 3):
        update = np.array(ROWS) @ np.array(updated(vector.astype(np.float32), number), np.float64) / 8 - vector
        first, second = 0.9 * first + 0.1 * update, 0.99 * second + 0.01 * update**2
        vector += lr * first / (np.sqrt(second) + 1e-3)
    mine, states = rounds("", 3, RunConfig.of(strategy="fedadam", server_lr=lr), initial)
    np.testing.assert_allclose(mine, vector, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(states, [first, second], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(STRATEGIES.names()) - {"averaging"}))
def test_going_on_from_the_states_gives_the_same_bits(tmp_path, initial, name):
    config = RunConfig(strategy=name)
    whole, states = rounds("", 3, config, initial)
    half, kept = rounds("", 1, config, initial)
    again, found = rounds(str(tmp_path), 3, config, half, done=1, states=kept)
    assert np.array_equal(again, whole) and np.array_equal(found, states)
    assert not np.array_equal(whole, rounds("", 3, RunConfig(), initial)[0])


def test_a_strategy_and_standard_fine_tuning_contradict_each_other():
    with pytest.raises(UserError, match="--strategy fedadam and --centralized contradict"):
        RunConfig(strategy="fedadam", centralized=True)
