"""Rounds of a method on vectors that are made up: the real server side, without clients."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters

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


def server(method: Strategy, folder: str = "", start: ServerState | None = None, **flags: object) -> FlowerStrategy:
    """Return a server for the clients, whose vectors travel through `folder`, or in messages."""
    start = start or ServerState(0, initial())
    return FlowerStrategy(method, RunConfig(**flags), start, Transport(folder, len(start.vector)), len(ROWS), n_parts=2)


def play(strategy: FlowerStrategy, first: int, last: int,
         clients: Callable[[np.ndarray, int], Sequence[np.ndarray | tuple[np.ndarray, ...]]] = updated) -> ServerState:
    """Play rounds `first` to `last`, in which `clients(global vector, round)` are what they send; return the end."""
    for number in range(first, last + 1):
        def answers() -> Iterator[FitRes]:
            for k, vectors in enumerate(clients(state_of(strategy, number).vector, number)):
                sent = strategy.messages.send(f"client-{k}", *(vectors if isinstance(vectors, tuple) else (vectors,)))
                yield answer(k, sent, ROWS[k % len(ROWS)])

        strategy.aggregate(number, answers(), [])
    return state_of(strategy, last)


def state_of(strategy: FlowerStrategy, number: int) -> ServerState:
    """Return copies of what the server holds."""
    vector = np.empty(strategy.transport.size, np.float32)
    strategy.read(vector)
    return ServerState(number, vector, strategy.read_states())
