"""Parameter averaging: FedAvg (McMahan et al. 2017) over all clients, or over a sampled part of them."""

from collections.abc import Sequence

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
from flwr.server.strategy import Strategy

from utils.errors import RoundFailed
from utils.seeds import generator
from utils.transport import Transport

CHUNK = 1 << 20  # parameters summed at a time: the sums' float64 buffer stays small


class ParameterAveraging(Strategy):
    """Keeps the global vector, chooses each round's participants, and averages their vectors.

    `initial`: float32 [n]. `n_parts`: how many parts an evaluation is cut into, one per worker.
    Participants are drawn from (seed, round), and each message names the client it is for, because
    Flower's own sampling follows random node ids.
    """

    def __init__(self, initial: np.ndarray, transport: Transport, *, n_clients: int, frac_fit: float, seed: int,
                 n_parts: int) -> None:
        self.transport = transport
        self.n_clients = n_clients
        self.frac_fit = frac_fit
        self.seed = seed
        self.n_parts = n_parts
        self.vector = transport.buffer("global-0", initial.size)
        self.vector[:] = initial

    def participants(self, server_round: int) -> list[int]:
        """Return the round's clients in ascending order: max(1, round(frac_fit·K)) of the K."""
        size = max(1, round(self.frac_fit * self.n_clients))
        drawn = generator(self.seed, "participants", server_round).permutation(self.n_clients)[:size]
        return sorted(drawn.tolist())

    def initialize_parameters(self, client_manager: ClientManager) -> Parameters:
        """Return the initial global vector as a message."""
        return ndarrays_to_parameters(self.transport.pack("global-0", self.vector))

    def configure_fit(self, server_round: int, parameters: Parameters,
                      client_manager: ClientManager) -> list[tuple[ClientProxy, FitIns]]:
        """Send the global vector to each participant."""
        return [(proxy, FitIns(parameters, {"round": server_round, "client": client}))
                for proxy, client in nodes(client_manager, self.participants(server_round))]

    def aggregate_fit(self, server_round: int, results: list[tuple[ClientProxy, FitRes]],
                      failures: list) -> tuple[Parameters, dict]:
        """Average the participants' vectors, weighted by rows, in client order.

        Raises RoundFailed, naming the first error, if a participant failed: a mean over fewer clients than
        were asked for would be another experiment.
        """
        raise_failures("training", server_round, failures, len(self.participants(server_round)))
        answers = sorted((answer for _, answer in results), key=lambda answer: answer.metrics["client"])
        vectors = [self.transport.unpack(parameters_to_ndarrays(answer.parameters)) for answer in answers]
        # Two slots in turn: the clients' maps of the last global vector stay as they were.
        slot = f"global-{server_round % 2}"
        mean = self.transport.buffer(slot, self.vector.size)
        weighted_mean(vectors, [answer.num_examples for answer in answers], mean)
        self.vector = mean
        clients = [{"client": answer.metrics["client"], "rows": answer.num_examples,
                    "loss": answer.metrics["loss"]} for answer in answers]
        return ndarrays_to_parameters(self.transport.pack(slot, mean)), {"clients": clients}

    def configure_evaluate(self, server_round: int, parameters: Parameters,
                           client_manager: ClientManager) -> list[tuple[ClientProxy, EvaluateIns]]:
        """Ask for each part of the evaluation sets."""
        return [(proxy, EvaluateIns(parameters, {"part": part, "parts": self.n_parts}))
                for proxy, part in nodes(client_manager, range(self.n_parts))]

    def aggregate_evaluate(self, server_round: int, results: list[tuple[ClientProxy, EvaluateRes]],
                           failures: list) -> tuple[None, dict[str, list[np.ndarray]]]:
        """Return each evaluation set's columns, float64 [3, rows], in part order.

        Raises RoundFailed if a part is missing.
        """
        raise_failures("evaluation", server_round, failures, self.n_parts)
        answers = sorted((answer.metrics for _, answer in results), key=lambda metrics: metrics["part"])
        return None, {name: [np.frombuffer(metrics[name]).reshape(3, -1) for metrics in answers]
                      for name in answers[0] if name != "part"}

    def evaluate(self, server_round: int, parameters: Parameters) -> None:
        """Do nothing here: the workers evaluate, not the driver."""


def nodes(client_manager: ClientManager, numbers: Sequence[int]) -> list[tuple[ClientProxy, int]]:
    """Pair each number (a client, or a part) with a Flower node; any node can play any client."""
    proxies = [proxy for _, proxy in sorted(client_manager.all().items())]
    return [(proxies[k % len(proxies)], number) for k, number in enumerate(numbers)]


def weighted_mean(vectors: Sequence[np.ndarray], weights: Sequence[int], out: np.ndarray) -> None:
    """Write Σ wₖ·vₖ / Σ wₖ into `out`; all float32 [n], summed in float64 in the order given."""
    total = float(sum(weights))
    for start in range(0, out.size, CHUNK):
        part = slice(start, start + CHUNK)
        mean = np.zeros(out[part].size)
        for vector, weight in zip(vectors, weights):
            mean += vector[part] * np.float64(weight)
        out[part] = mean / total


def raise_failures(work: str, server_round: int, failures: list, asked: int) -> None:
    """Raise RoundFailed with the first failure's own words if there are any."""
    if failures:
        first = failures[0]
        reason = first if isinstance(first, BaseException) else first[1].status.message
        raise RoundFailed(f"round {server_round}: {len(failures)} of {asked} {work} jobs failed: {reason}")
