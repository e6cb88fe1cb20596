"""Rounds of a method on vectors that are made up: the real server side, without clients."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server.strategy import Strategy as FlowersStrategy

from engine.flower_strategy import FlowerStrategy, ServerState
from strategies import Strategy
from utils.config import RunConfig
from utils.vectors.layout import Layout, Place
from utils.vectors.transport import WINDOW, Transport

SIZE = WINDOW + 5  # two windows, of which the second begins within a page of the buffer's next vector
ROWS = (3, 1, 4)  # of the clients
#: two tensors with padding between them, of which the second lies in both windows
LAYOUT = Layout(SIZE, (Place("first", (2, 50), slice(0, 100)), Place("last", (SIZE - 112,), slice(112, SIZE))))


def initial() -> np.ndarray:
    """Return a vector to begin with."""
    return np.random.default_rng(9).standard_normal(SIZE).astype(np.float32)


def updated(vector: np.ndarray, number: int) -> list[np.ndarray]:
    """Return what the clients of round `number` make of `vector`: each adds a vector of its own."""
    return [vector + np.random.default_rng((number, k)).normal(0, 0.01, SIZE).astype(np.float32)
            for k in range(len(ROWS))]


def answer(client: int, arrays: list[np.ndarray], rows: int = 1, steps: int = 5) -> FitRes:
    """Return a client's answer to Flower."""
    return FitRes(Status(Code.OK, ""), ndarrays_to_parameters(arrays), rows,
                  {"client": client, "loss": 0.5, "seconds": 2.0, "steps": steps})


def server(method: Strategy, folder: str = "", start: ServerState | None = None, n_clients: int = len(ROWS),
           **flags: object) -> FlowerStrategy:
    """Return a server for the clients, whose vectors travel through `folder`, or in messages."""
    start = start or ServerState(0, initial())
    return FlowerStrategy(method, RunConfig(**flags), start, Transport(folder, len(start.vector)), n_clients, n_parts=2)


def play(strategy: FlowerStrategy, first: int, last: int,
         clients: Callable[[np.ndarray, int], Sequence[np.ndarray | tuple[np.ndarray, ...]]] = updated,
         rows: Sequence[int] = ROWS) -> ServerState:
    """Play rounds `first` to `last`, in which `clients(global vector, round)` are what they send; return the end."""
    for number in range(first, last + 1):
        def answers() -> Iterator[FitRes]:
            for k, vectors in enumerate(clients(state_of(strategy, number).vector, number)):
                sent = strategy.messages.send(f"client-{k}", *(vectors if isinstance(vectors, tuple) else (vectors,)))
                yield answer(k, sent, rows[k % len(rows)])

        strategy.aggregate(number, answers(), [])
    return state_of(strategy, last)


def state_of(strategy: FlowerStrategy, number: int) -> ServerState:
    """Return copies of what the server holds."""
    vector = np.empty(strategy.transport.size, np.float32)
    strategy.read(vector)
    return ServerState(number, vector, strategy.read_states())


def once(method: Strategy, before: np.ndarray, clients: Sequence[np.ndarray], rows: Sequence[int] = (1,)) -> np.ndarray:
    """Return what a first round that begins with `before` makes of these clients, which have equal rows if not said."""
    return play(server(method, start=ServerState(0, before), n_clients=len(clients)), 1, 1, lambda *_: clients, rows
                ).vector


def against_flowers(method: Strategy, theirs: Callable[..., FlowersStrategy]) -> None:
    """Compare three rounds of a server optimizer with Flower's, which `theirs` makes with the initial parameters."""
    vector = initial()
    flowers: Any = theirs(initial_parameters=ndarrays_to_parameters([vector]))
    for number in (1, 2, 3):
        answers = [(None, answer(k, [one], ROWS[k])) for k, one in enumerate(updated(vector, number))]
        parameters, _ = flowers.aggregate_fit(number, answers, [])
        vector, = parameters_to_ndarrays(parameters)
    np.testing.assert_allclose(play(server(method), 1, 3).vector, vector, rtol=1e-4, atol=1e-5)


def gaussian(cosine: float, n_clients: int = 4, seed: int = 0) -> list[np.ndarray]:
    """Return updates of the elements of LAYOUT, normal and each two at this cosine; zeros between the tensors."""
    rng = np.random.default_rng(seed)
    common, own = rng.standard_normal(SIZE), rng.standard_normal((n_clients, SIZE))
    values = (np.sqrt(cosine) * common + np.sqrt(1 - cosine) * own).astype(np.float32)
    values[:, 100:112] = 0
    return list(values)


def distinct(n_clients: int) -> list[np.ndarray]:
    """Return updates like those of `gaussian`, without two magnitudes that are equal or sums that are zero."""
    rng = np.random.default_rng(1)
    values = np.array([rng.permutation(SIZE) + 1 for _ in range(n_clients)]) * rng.choice([-1, 1], (n_clients, SIZE))
    values = (values * (1 + np.arange(n_clients)[:, None] / 1000) / SIZE).astype(np.float32)
    values[:, 100:112] = 0
    return list(values)


def step_length(method: Strategy, updates: Sequence[np.ndarray]) -> float:
    """Return the norm of what a method makes of updates, over that of their mean."""
    new = once(method, np.zeros_like(updates[0]), updates)
    return float(np.linalg.norm(new) / np.linalg.norm(np.mean(updates, axis=0)))
