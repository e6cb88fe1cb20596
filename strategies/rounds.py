"""The loop of rounds: evaluate, then train and evaluate again, n times.

Flower's own loop evaluates only after a round and ends quietly when every client fails, so this one is ours.
"""

import time
from collections.abc import Callable

from flwr.common import Context
from flwr.server import History, Server, ServerAppComponents, ServerConfig, SimpleClientManager
from flwr.serverapp import ServerApp

from strategies.averaging import ParameterAveraging


class RoundServer(Server):
    """Runs the rounds and hands each one's outcome to `on_round`.

    `on_round(round, clients, evaluation, seconds)`: `clients` as ParameterAveraging.aggregate_fit returns them
    (empty before round 1); `evaluation` as its aggregate_evaluate does, or None when the round is skipped;
    `seconds` per phase. The round's vector is `strategy.vector`.
    """

    def __init__(self, strategy: ParameterAveraging, on_round: Callable[[int, list, dict | None, dict], None],
                 evaluate_every: int, n_nodes: int) -> None:
        super().__init__(client_manager=SimpleClientManager(), strategy=strategy)
        self.on_round = on_round
        self.evaluate_every = evaluate_every
        self.n_nodes = n_nodes

    def fit(self, num_rounds: int, timeout: float | None) -> tuple[History, float]:
        """Run `num_rounds` rounds; raise RoundFailed when a client or an evaluation fails."""
        start = time.perf_counter()
        # Nodes register while this thread starts; Flower's wait_for would look again only every 5 s.
        while self.client_manager().num_available() < self.n_nodes:
            time.sleep(0.05)
        self.parameters = self.strategy.initialize_parameters(self.client_manager())
        for server_round in range(num_rounds + 1):
            clients, evaluation, seconds = [], None, {}
            if server_round:
                began = time.perf_counter()
                self.parameters, metrics, _ = self.fit_round(server_round, timeout)
                clients = metrics["clients"]
                seconds["train"] = time.perf_counter() - began
            if server_round % self.evaluate_every == 0 or server_round == num_rounds:
                began = time.perf_counter()
                _, evaluation, _ = self.evaluate_round(server_round, timeout)
                seconds["evaluate"] = time.perf_counter() - began
            self.on_round(server_round, clients, evaluation, seconds)
        return History(), time.perf_counter() - start


def server_app(server: RoundServer, num_rounds: int) -> ServerApp:
    """Return the ServerApp that runs `server` for `num_rounds` rounds."""

    def server_fn(context: Context) -> ServerAppComponents:
        return ServerAppComponents(server=server, config=ServerConfig(num_rounds=num_rounds))

    return ServerApp(server_fn=server_fn)
