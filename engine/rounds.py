"""The loop of rounds: evaluate, then train and evaluate again, n times.

Flower's own loop evaluates only after a round, ends quietly when every client fails, and tries no client again; so
this one is ours.
"""

import time
from collections.abc import Callable, Iterator, Sequence

from flwr.app import Context, MessageType, RecordDict
from flwr.common import EvaluateRes, FitIns, FitRes
from flwr.compat.common import recorddict_compat as legacy
from flwr.server import SimpleClientManager
from flwr.server.compat.grid_client_proxy import GridClientProxy
from flwr.serverapp import Grid

from engine.flower_strategy import ParameterAveraging
from engine.messages import Piece, answers
from utils.errors import RoundFailed
from utils.failure import Failure
from utils.record.progress import Progress


class Rounds:
    """Runs rounds `first` to `n_rounds` of `strategy` and hands each one's outcome to `on_round`.

    `plan(round, clients)` cuts the participants' work into pieces. `on_round(round, clients, failures, evaluation,
    seconds)`: `clients` and `failures` as ParameterAveraging.aggregate_fit gives them (empty in round 0);
    `evaluation` as its aggregate_evaluate does, or None when the round is skipped; `seconds` per phase. A failed
    piece of work is done again up to `tries` times in all; `on_failure(round, what, number, failure)` is told.
    `progress` is shown what is at work; of a round, what `on_round` returns.
    """

    def __init__(self, strategy: ParameterAveraging, plan: Callable[[int, Sequence[int]], list[Piece]],
                 on_round: Callable[[int, list, list, dict | None, dict], str],
                 on_failure: Callable[[int, str, int, Failure], None], progress: Progress, *, n_rounds: int,
                 evaluate_every: int, n_nodes: int, tries: int = 1, first: int = 0) -> None:
        self.strategy = strategy
        self.plan = plan
        self.on_round = on_round
        self.on_failure = on_failure
        self.progress = progress
        self.n_rounds = n_rounds
        self.evaluate_every = evaluate_every
        self.n_nodes = n_nodes
        self.tries = tries
        self.first = first

    def run(self, grid: Grid, context: Context, nodes: Sequence[int]) -> None:
        """Run all rounds as Flower's ServerApp; raise RoundFailed when too many clients or an evaluation fail."""
        nodes, manager = nodes[:self.n_nodes], SimpleClientManager()
        for node in nodes:
            manager.register(GridClientProxy(node, grid, context.run_id))
        parameters = self.strategy.initialize_parameters(manager)
        for server_round in range(self.first, self.n_rounds + 1):
            clients: list[dict] = []
            failures: list[str] = []
            evaluation: dict | None = None
            seconds: dict[str, float] = {}
            if server_round:
                began = time.perf_counter()
                jobs = [ins for _, ins in self.strategy.configure_fit(server_round, parameters, manager)]
                participants = [int(ins.config["client"]) for ins in jobs]
                names = [f"client {client}" for client in participants]
                pieces = self.plan(server_round, participants)
                replies = self.replies(grid, nodes, server_round, names, pieces, MessageType.TRAIN,
                                       lambda piece: fit_message(jobs, piece), failures)
                self.progress.work(server_round, self.first, self.n_rounds, "training", len(jobs), participants)
                parameters, metrics = self.strategy.aggregate_fit(server_round, self.trained(replies), failures)
                clients = metrics["clients"]
                seconds["train"] = time.perf_counter() - began
            if server_round % self.evaluate_every == 0 or server_round == self.n_rounds:
                began = time.perf_counter()
                parts = [ins for _, ins in self.strategy.configure_evaluate(server_round, parameters, manager)]
                untested: list[str] = []
                names = [f"part {part} of the evaluation" for part in range(len(parts))]
                pieces = [Piece(part) for part in range(len(parts))]
                replies = self.replies(grid, nodes, server_round, names, pieces, MessageType.EVALUATE,
                                       lambda piece: legacy.evaluateins_to_recorddict(parts[piece.position], True),
                                       untested)
                self.progress.work(server_round, self.first, self.n_rounds, "evaluating", len(parts))
                results: list[tuple[None, EvaluateRes]] = []
                for reply in replies:
                    if reply is not None:
                        results.append((None, legacy.recorddict_to_evaluateres(reply)))
                    self.progress.piece()
                if untested:
                    raise RoundFailed(f"round {server_round}: {'; '.join(untested)}")
                inside, evaluation = self.strategy.aggregate_evaluate(server_round, results, [])
                seconds["evaluate"] = time.perf_counter() - began
                if not server_round:  # workers load their model first, which is not evaluation
                    seconds["evaluate"] = inside
            self.progress.metric = self.on_round(server_round, clients, failures, evaluation, seconds)

    def trained(self, replies: Iterator[RecordDict | None]) -> Iterator[tuple[None, FitRes] | None]:
        """Yield the clients' answers as they are consumed, None for one that has failed."""
        for reply in replies:
            if reply is None:
                yield None
                continue
            answer = legacy.recorddict_to_fitres(reply, keep_input=False)
            self.progress.piece(int(answer.metrics["client"]))
            yield None, answer

    def replies(self, grid: Grid, nodes: Sequence[int], server_round: int, names: Sequence[str],
                pieces: Sequence[Piece], message_type: str, content: Callable[[Piece], RecordDict],
                failures: list[str]) -> Iterator[RecordDict | None]:
        """Have `pieces` done and yield each position's reply; None if it has failed, and why goes to `failures`.

        `names`: what to call the work at each position.
        """
        def told(piece: Piece, number: int, failure: Failure) -> None:
            self.on_failure(server_round, names[piece.position], number, failure)

        every = answers(grid, nodes, pieces, message_type, content, self.tries, told)
        for name, answer in zip(names, every):
            if isinstance(answer, Failure):
                failures.append(f"{name}: {answer.words}")
                yield None
            else:
                yield answer


def fit_message(jobs: Sequence[FitIns], piece: Piece) -> RecordDict:
    """Return what is sent to a client for one piece of its round."""
    job = jobs[piece.position]
    config = {**job.config, "begin": piece.begin, "end": piece.end, "cut": piece.cut}
    return legacy.fitins_to_recorddict(FitIns(job.parameters, config), keep_input=True)
