"""The loop of rounds: evaluate, then train and evaluate again, n times.

Flower's own loop evaluates only after a round, ends quietly when every client fails, and tries no client again; so
this project has its own.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from flwr.app import MessageType, RecordDict
from flwr.common import EvaluateIns, FitIns, FitRes, GetPropertiesIns, MessageTypeLegacy, Parameters
from flwr.compat.common import recorddict_compat as legacy

from clients.job import Job, Piece
from engine.flower_strategy import columns
from engine.messages import Nodes, nodes_for, replies_in_order
from engine.run import Run
from utils.console import NOTES
from utils.errors import RoundFailed
from utils.failure import Failure


@dataclass(frozen=True)
class Work:
    """What a part of a round asks of the nodes: `pieces`, and for each its message of `message_type`.

    `names`: what to call the work at each position.
    """

    message_type: str
    pieces: Sequence[Piece]
    names: Sequence[str]
    content: Callable[[Piece], RecordDict]


class Rounds:
    """The rounds of one run on `nodes`, of which `workers` work at once."""

    def __init__(self, run: Run, nodes: Nodes, workers: int) -> None:
        self.run, self.workers, self.config = run, workers, run.job.config
        self.strategy, self.progress = run.strategy, run.progress
        self.nodes = replace(nodes, ids=nodes.ids[:nodes_for(4 * run.strategy.transport.size, workers)])

    def all(self) -> None:
        """Run all rounds; raise RoundFailed when too many clients or an evaluation fail."""
        n_rounds, parameters = self.config.n_iterations, self.strategy.sent
        for server_round in range(self.run.first, n_rounds + 1):
            clients: list[dict] = []
            failures: list[str] = []
            evaluation: dict | None = None
            seconds: dict[str, float] = {}
            if server_round:
                began = time.perf_counter()
                clients = self.train(server_round, parameters, failures)
                parameters = self.strategy.sent
                seconds["train"] = time.perf_counter() - began
            if server_round % self.config.skip_evalnum == 0 or server_round == n_rounds:
                began = time.perf_counter()
                evaluation, inside = self.evaluate(server_round, parameters)
                # Before the first round workers load their model first, which is not evaluation.
                seconds["evaluate"] = time.perf_counter() - began if server_round else inside
            self.progress.metric = self.run.observer.round(server_round, clients, failures, evaluation, seconds)

    def train(self, server_round: int, parameters: Parameters, failures: list[str]) -> list[dict]:
        """Have the participants train, and their updates merged; return their records, and add to `failures`."""
        messages = self.strategy.fit_messages(server_round, parameters, len(self.nodes.ids))
        participants = [int(message.config["client"]) for message in messages]
        pieces = self.run.cut(self.workers, server_round, participants)
        work = Work(MessageType.TRAIN, pieces, [f"client {client}" for client in participants],
                    lambda piece: for_piece(self.run.job, messages[piece.position], piece))
        replies = self.replies(server_round, work, failures)
        self.progress.work(server_round, self.run.first, self.config.n_iterations, "training", len(messages),
                           participants)
        clients = self.strategy.aggregate(server_round, self.answers(replies), failures)
        if self.config.transport == "message":
            gc.collect()  # the messages, which are in cycles with themselves, each with the last round's vector
        return clients

    def answers(self, replies: Iterator[RecordDict | None]) -> Iterator[FitRes | None]:
        """Yield the clients' answers as they are consumed, None for one that has failed."""
        for reply in replies:
            if reply is None:
                yield None
                continue
            answer = legacy.recorddict_to_fitres(reply, keep_input=False)
            self.progress.piece(int(answer.metrics["client"]))
            yield answer

    def evaluate(self, server_round: int, parameters: Parameters) -> tuple[dict, float]:
        """Have the evaluation sets evaluated; return their columns and the seconds of the slowest part.

        What round 0's are may be known from another run: then no worker evaluates, and the seconds are 0.
        """
        known = None if server_round else self.run.known
        if known and (answers := known.read()) is not None:
            self.make_ready()
            NOTES.info("round 0: an earlier run has evaluated the same model on the same rows (%s)", known.path)
            return answers, 0.0
        parts = self.strategy.evaluate_messages(parameters)
        work = Work(MessageType.EVALUATE, [Piece(part) for part in range(len(parts))],
                    [f"part {part} of the evaluation" for part in range(len(parts))],
                    lambda piece: for_part(self.run.job, parts[piece.position]))
        failures: list[str] = []
        replies = self.replies(server_round, work, failures)
        self.progress.work(server_round, self.run.first, self.config.n_iterations, "evaluating", len(parts))
        results = []
        for reply in replies:
            if reply is not None:
                results.append(legacy.recorddict_to_evaluateres(reply))
            self.progress.piece()
        if failures:
            raise RoundFailed(f"round {server_round}: {'; '.join(failures)}")
        answers = columns(results)
        if known:
            known.write(answers)
        return answers, max(float(result.metrics["seconds"]) for result in results)

    def make_ready(self) -> None:
        """Have the workers load the model now, as a first evaluation would, so that no client's seconds have it."""
        failures: list[str] = []
        pieces = [Piece(worker) for worker in range(self.workers)]
        question = GetPropertiesIns({"run": self.run.job.scratch})
        work = Work(MessageTypeLegacy.GET_PROPERTIES, pieces, [f"worker {piece.position}" for piece in pieces],
                    lambda piece: legacy.getpropertiesins_to_recorddict(question))
        for _ in self.replies(0, work, failures):
            pass
        if failures:
            raise RoundFailed(f"round 0: {'; '.join(failures)}")

    def replies(self, server_round: int, work: Work, failures: list[str]) -> Iterator[RecordDict | None]:
        """Have `work` done and yield each position's reply; None if it has failed, and the reason joins `failures`."""
        def report(piece: Piece, number: int, failure: Failure) -> None:
            self.run.observer.failure(server_round, work.names[piece.position], number, failure)

        replies = replies_in_order(self.nodes, work.pieces, work.message_type, work.content,
                                   1 + self.config.client_retries, report)
        for name, reply in zip(work.names, replies):
            if isinstance(reply, Failure):
                failures.append(f"{name}: {reply.words}")
                yield None
            else:
                yield reply


def for_part(job: Job, message: EvaluateIns) -> RecordDict:
    """Return the message that asks a worker of `job` for a part of the evaluation sets."""
    config = {**message.config, "run": job.scratch}
    return legacy.evaluateins_to_recorddict(EvaluateIns(message.parameters, config), keep_input=True)


def for_piece(job: Job, message: FitIns, piece: Piece) -> RecordDict:
    """Return a participant's message for one piece of its round in the run of `job`."""
    config = {**message.config, "begin": piece.begin, "end": piece.end, "cut": piece.cut, "run": job.scratch}
    return legacy.fitins_to_recorddict(FitIns(message.parameters, config), keep_input=True)
