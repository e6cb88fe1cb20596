"""The loop of rounds: evaluate, then train and evaluate again, n times.

Flower's own loop evaluates only after a round and ends quietly when every client fails, so this one is ours.
"""

import time
from collections.abc import Callable, Sequence

from flwr.app import Context, MessageType, RecordDict
from flwr.common import FitIns
from flwr.compat.common import recorddict_compat as legacy
from flwr.server import SimpleClientManager
from flwr.server.compat.grid_client_proxy import GridClientProxy
from flwr.serverapp import Grid

from strategies.averaging import ParameterAveraging
from strategies.dispatch import Piece, answers


class Rounds:
    """Runs the rounds of `strategy` and hands each one's outcome to `on_round`.

    `plan(round, clients)` cuts the participants' work into pieces. `on_round(round, clients, evaluation, seconds)`:
    `clients` as ParameterAveraging.aggregate_fit returns them (empty before round 1); `evaluation` as its
    aggregate_evaluate does, or None when the round is skipped; `seconds` per phase.
    """

    def __init__(self, strategy: ParameterAveraging, plan: Callable[[int, Sequence[int]], list[Piece]],
                 on_round: Callable[[int, list, dict | None, dict], None], *, n_rounds: int, evaluate_every: int,
                 n_nodes: int) -> None:
        self.strategy = strategy
        self.plan = plan
        self.on_round = on_round
        self.n_rounds = n_rounds
        self.evaluate_every = evaluate_every
        self.n_nodes = n_nodes

    def run(self, grid: Grid, context: Context, nodes: Sequence[int]) -> None:
        """Run all rounds as Flower's ServerApp; raise RoundFailed when a client or an evaluation fails."""
        nodes, manager = nodes[:self.n_nodes], SimpleClientManager()
        for node in nodes:
            manager.register(GridClientProxy(node, grid, context.run_id))
        parameters = self.strategy.initialize_parameters(manager)
        for server_round in range(self.n_rounds + 1):
            clients, evaluation, seconds = [], None, {}
            if server_round:
                began = time.perf_counter()
                jobs = [ins for _, ins in self.strategy.configure_fit(server_round, parameters, manager)]
                pieces = self.plan(server_round, [ins.config["client"] for ins in jobs])
                replies = answers(grid, nodes, pieces, MessageType.TRAIN, lambda piece: fit_message(jobs, piece))
                results = ((None, legacy.recorddict_to_fitres(reply, keep_input=False)) for reply in replies)
                parameters, metrics = self.strategy.aggregate_fit(server_round, results, [])
                clients = metrics["clients"]
                seconds["train"] = time.perf_counter() - began
            if server_round % self.evaluate_every == 0 or server_round == self.n_rounds:
                began = time.perf_counter()
                jobs = [ins for _, ins in self.strategy.configure_evaluate(server_round, parameters, manager)]
                pieces = [Piece(part) for part in range(len(jobs))]
                replies = answers(grid, nodes, pieces, MessageType.EVALUATE,
                                  lambda piece: legacy.evaluateins_to_recorddict(jobs[piece.position], True))
                results = ((None, legacy.recorddict_to_evaluateres(reply)) for reply in replies)
                inside, evaluation = self.strategy.aggregate_evaluate(server_round, results, [])
                seconds["evaluate"] = time.perf_counter() - began
                if not server_round:  # workers load their model first, which is not evaluation
                    seconds["evaluate"] = inside
            self.on_round(server_round, clients, evaluation, seconds)


def fit_message(jobs: Sequence[FitIns], piece: Piece) -> RecordDict:
    """Return what is sent to a client for one piece of its round."""
    job = jobs[piece.position]
    config = {**job.config, "begin": piece.begin, "end": piece.end, "cut": piece.cut}
    return legacy.fitins_to_recorddict(FitIns(job.parameters, config), keep_input=True)

