"""Parameter averaging: FedAvg (McMahan et al. 2017) over all clients, or over a sampled part of them.

What a method of strategies/ makes of the mean is the new global vector.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from flwr.common import (
    EvaluateIns,
    EvaluateRes,
    FitIns,
    FitRes,
    Parameters,
    ndarrays_to_parameters,
    parameters_to_ndarrays,
)
from flwr.server.client_manager import ClientManager
from flwr.server.client_proxy import ClientProxy
from flwr.server.strategy import Strategy as FlowersStrategy

from strategies import Participant, Round, Strategy
from utils.config import RunConfig
from utils.data.partition import n_participants
from utils.errors import RoundFailed
from utils.plugins import STRATEGIES
from utils.seeds import generator
from utils.vectors.layout import Layout
from utils.vectors.mean import weighted_mean
from utils.vectors.sums import GROUP
from utils.vectors.transport import Transport


def method_of(config: RunConfig, layout: Layout) -> Strategy:
    """Return what `--strategy` names, with its flags."""
    return STRATEGIES.load(config.strategy)(config.strategy_flags, layout)


def buffers(n_clients: int, n_nodes: int, workers: int, n_states: int = 0) -> int:
    """Return how many vectors a run's buffers have room for.

    Those of clients, two global ones, the server's `n_states`, two sums, and clients cut in two.
    """
    return min(n_clients, n_nodes + GROUP) + 2 + n_states + 4 * (n_clients > GROUP) + 3 * workers


class ParameterAveraging(FlowersStrategy):
    """Keeps the global vector, chooses each round's participants, and averages their vectors.

    `initial`: float32 [n], the global vector after round `done`. `min_success`: how many participants a round needs
    (0: all of them). `n_parts`: how many parts an evaluation is cut into, one per worker. `threads`: of the mean.
    `method`: what turns the mean into the new global vector; `states`: its vectors after round `done`, each
    float32 [n]; zeros if none are given.
    Participants are drawn from (seed, round), and each message names the client it is for, because Flower's own
    sampling follows random node ids.
    """

    def __init__(self, initial: np.ndarray, transport: Transport, *, n_clients: int, frac_fit: float, seed: int,
                 n_parts: int, min_success: int = 0, done: int = 0, threads: int = 1,
                 method: Strategy | None = None, states: Sequence[np.ndarray] = ()) -> None:
        self.transport = transport
        self.n_clients = n_clients
        self.frac_fit = frac_fit
        self.seed = seed
        self.n_parts = n_parts
        self.min_success = min_success
        self.threads = threads
        self.method = method or Strategy(Strategy.Flags(), Layout(transport.size, ()))
        self.vector = transport.buffer(f"global-{done % 2}")
        self.states = [transport.buffer(f"state-{k}") for k in range(self.method.server_vectors)]
        for part in transport.windows():
            transport.window(self.vector, part)[:] = initial[part]
            for k, state in enumerate(self.states):
                transport.window(state, part)[:] = states[k][part] if states else 0.0

    def participants(self, server_round: int) -> list[int]:
        """Return the round's clients in ascending order: max(1, round(frac_fit·K)) of the K."""
        size = n_participants(self.n_clients, self.frac_fit)
        drawn = generator(self.seed, "participants", server_round).permutation(self.n_clients)[:size]
        return sorted(drawn.tolist())

    def read(self, out: np.ndarray) -> None:
        """Copy the global vector into `out`, float32 [n]."""
        self._copy(self.vector, out)

    def read_states(self) -> list[np.ndarray]:
        """Return copies of the server's vectors, each float32 [n]."""
        copies = [np.empty(self.transport.size, np.float32) for _ in self.states]
        for state, out in zip(self.states, copies):
            self._copy(state, out)
        return copies

    def _copy(self, arrays: list[np.ndarray], out: np.ndarray) -> None:
        """Copy a message's vector into `out`, of which no more than a window is mapped at once."""
        for part in self.transport.windows():
            out[part] = self.transport.window(arrays, part)

    def initialize_parameters(self, client_manager: ClientManager) -> Parameters:
        """Return the initial global vector as a message."""
        return ndarrays_to_parameters(self.vector)

    def configure_fit(self, server_round: int, parameters: Parameters,
                      client_manager: ClientManager) -> list[tuple[ClientProxy, FitIns]]:
        """Send the global vector to each participant, which returns its own in one of a few buffers.

        No more clients are at work, or waiting to be averaged, than there are nodes and members of a group, so a
        buffer is free again when its turn comes.
        """
        slots = client_manager.num_available() + GROUP
        return [(proxy, FitIns(parameters, {"round": server_round, "client": client, "slot": k % slots}))
                for k, (proxy, client) in enumerate(nodes(client_manager, self.participants(server_round)))]

    def aggregate_fit(  # type: ignore[override]  # failures are told in words
            self, server_round: int, results: Iterable[tuple[ClientProxy | None, FitRes] | None],
            failures: list[str]) -> tuple[Parameters, dict]:
        """Average the participants' vectors, weighted by rows.

        `results` yields them in client order, None for one that has failed, and adds to `failures` why, in words. They
        are averaged as they come in, while others still train. One that is no vector of finite numbers is left out and
        joins the `failures`.

        Each client's record has its `drift`, the L2 distance of its vector from the mean, where GROUP or fewer took
        part. Raises RoundFailed, with the global vector as it was, when fewer than `min_success` are left.
        """
        clients: dict[int, dict] = {}  # by their positions
        most = len(self.participants(server_round))

        def vectors() -> Iterator[tuple[list[np.ndarray], int] | None]:
            for position, result in enumerate(results):
                if result is None:
                    yield None
                    continue
                answer = result[1]
                metrics: dict[str, Any] = answer.metrics
                client, arrays = metrics["client"], parameters_to_ndarrays(answer.parameters)
                wrong = self.transport.fault(arrays)
                if wrong:
                    failures.append(f"client {client}: its update is refused: {wrong}")
                    yield None
                    continue
                clients[position] = {"client": client, "rows": answer.num_examples, "loss": metrics["loss"],
                                     "seconds": round(metrics["seconds"], 3)}
                yield arrays, answer.num_examples

        # Two slots in turn: were a round to fail while it is written, the last global vector would still be whole.
        mean = weighted_mean(vectors(), most, self.transport, f"global-{server_round % 2}", self.threads)
        failures += [f"client {clients.pop(k)['client']}: its update is refused: it holds NaN or infinity"
                     for k in sorted(mean.refused)]
        for k, drift in mean.drifts.items():
            clients[k]["drift"] = float(f"{drift:.6g}")
        if mean.arrays is None or len(clients) < (self.min_success or most):
            raise RoundFailed(f"round {server_round}: {len(clients)} of {most} clients succeeded, fewer than "
                              f"--min_success {self.min_success or most}: {'; '.join(failures)}")
        participants = tuple(Participant(client["client"], client["rows"], 0) for client in clients.values())
        this = Round(server_round, self.seed, self.n_clients, participants,
                     tuple(map(self.method.weight, participants)))
        for part in self.transport.windows():
            before, new, *states = (self.transport.window(arrays, part)
                                    for arrays in (self.vector, mean.arrays, *self.states))
            self.method.step(this, part, before, new, states)
        self.vector = mean.arrays
        return ndarrays_to_parameters(self.vector), {"clients": list(clients.values())}

    def configure_evaluate(self, server_round: int, parameters: Parameters,
                           client_manager: ClientManager) -> list[tuple[ClientProxy, EvaluateIns]]:
        """Ask for each part of the evaluation sets."""
        return [(proxy, EvaluateIns(parameters, {"part": part, "parts": self.n_parts}))
                for proxy, part in nodes(client_manager, range(self.n_parts))]

    def aggregate_evaluate(  # type: ignore[override]  # each row's answer, not one number
            self, server_round: int, results: Iterable[tuple[ClientProxy | None, EvaluateRes]],
            failures: list) -> tuple[float, dict[str, list[np.ndarray]]]:
        """Return the seconds of the slowest part, and the columns of each evaluation set.

        Those are float64 [3, rows], in part order, which is that of `results`.
        """
        answers: list[dict[str, Any]] = [answer.metrics for _, answer in results]
        columns = {name: [np.frombuffer(metrics[name]).reshape(3, -1) for metrics in answers]
                   for name in answers[0] if name not in ("part", "seconds")}
        return max(metrics["seconds"] for metrics in answers), columns

    def evaluate(self, server_round: int, parameters: Parameters) -> None:
        """Do nothing here: the workers evaluate, not the driver."""


def nodes(client_manager: ClientManager, numbers: Sequence[int]) -> list[tuple[ClientProxy, int]]:
    """Pair each number (a client, or a part) with a Flower node; any node can play any client."""
    proxies = list(client_manager.all().values())
    return [(proxies[k % len(proxies)], number) for k, number in enumerate(numbers)]
