"""The loop of rounds: evaluate, then train and evaluate again, n times.

Flower's own loop evaluates only after a round, ends quietly when every client fails, and tries no client again; so
this project has its own.
"""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from flwr.app import MessageType, RecordDict
from flwr.common import (
    EvaluateIns,
    EvaluateRes,
    FitIns,
    FitRes,
    GetPropertiesIns,
    MessageTypeLegacy,
    Parameters,
    ndarrays_to_parameters,
)
from flwr.compat.common import recorddict_compat as legacy

from clients.job import Job, Piece
from engine.diagnosis import diagnosis, pairs_of, products_of_updates, write_mean
from engine.flower_strategy import Arrays, columns
from engine.merging import Updates
from engine.messages import Nodes, nodes_for, replies_in_order
from engine.run import Run
from utils.clock import timed
from utils.console import NOTES
from utils.data.evaluation_sets import HELD_OUT
from utils.errors import RoundFailed
from utils.failure import Failure
from utils.machine.workers import usable_cores


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
            diagnosed: dict | None = None
            seconds: dict[str, float] = {}
            if server_round:
                began = time.perf_counter()
                before = self.strategy.vector
                models: dict[int, Arrays] | None = {} if is_due(server_round, self.config.diagnose, n_rounds) else None
                clients = self.train(server_round, parameters, failures, models)
                parameters = self.strategy.sent
                seconds["train"] = time.perf_counter() - began
                if models is not None:
                    with timed(seconds, "diagnose"):
                        diagnosed = self.diagnose(server_round, clients, before, models)
                del models  # in messages they are vectors
            if is_due(server_round, self.config.skip_evalnum, n_rounds):
                began = time.perf_counter()
                evaluation, inside = self.evaluate(server_round, parameters)
                # Before the first round workers load their model first, which is not evaluation.
                seconds["evaluate"] = time.perf_counter() - began if server_round else inside
            self.progress.metric = self.run.observer.round(server_round, clients, failures, evaluation, seconds,
                                                            diagnosed)

    def train(self, server_round: int, parameters: Parameters, failures: list[str],
              models: dict[int, Arrays] | None) -> list[dict]:
        """Have the participants train, and their updates merged; return their records, and add to `failures`.

        `models`, if there is one, gets the arrays of each client's model, by client.
        """
        messages = self.strategy.fit_messages(server_round, parameters, len(self.nodes.ids))
        participants = [int(message.config["client"]) for message in messages]
        pieces = self.run.cut(self.workers, server_round, participants)
        work = Work(MessageType.TRAIN, pieces, [f"client {client}" for client in participants],
                    lambda piece: for_piece(self.run.job, messages[piece.position], piece))
        replies = self.replies(server_round, work, failures)
        self.progress.work(server_round, self.run.first, self.config.n_iterations, "training", len(messages),
                           participants)
        clients = self.strategy.aggregate(server_round, self.answers(replies), failures, models)
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
        self.progress.work(server_round, self.run.first, self.config.n_iterations, "evaluating", self.strategy.n_parts)
        results = []
        for result in self.evaluated(server_round, parameters, "evaluation"):
            results.append(result)
            self.progress.piece()
        answers = columns(results)
        if known:
            known.write(answers)
        return answers, max(float(result.metrics["seconds"]) for result in results)

    def evaluated(self, server_round: int, parameters: Parameters, what: str, only: str = "") -> Iterator[EvaluateRes]:
        """Yield the answer to each part of an evaluation, `what`, of all sets or of `only` one.

        Raises RoundFailed, when all others have come, if one has failed.
        """
        parts, failures = self.strategy.evaluate_messages(parameters, only), list[str]()
        work = Work(MessageType.EVALUATE, [Piece(part) for part in range(len(parts))],
                    [f"part {part} of the {what}" for part in range(len(parts))],
                    lambda piece: for_part(self.run.job, parts[piece.position]))
        for reply in self.replies(server_round, work, failures):
            if reply is not None:
                yield legacy.recorddict_to_evaluateres(reply)
        if failures:
            raise RoundFailed(f"round {server_round}: {'; '.join(failures)}")

    def diagnose(self, server_round: int, clients: Sequence[dict], before: Arrays, models: Mapping[int, Arrays]
                 ) -> dict:
        """Return the diagnosis of a round whose `clients` began with the vector `before` and have sent `models`.

        What is evaluated is made of them one at a time, in one buffer.
        """
        transport, rows = self.strategy.transport, {client["client"]: client["rows"] for client in clients}
        made = Updates([transport.views(models[client])[:1] for client in rows], [before],
                       transport.buffer("candidate-0"), transport)
        pairs = pairs_of(len(rows), self.config.seed, server_round)
        self.progress.work(server_round, self.run.first, self.config.n_iterations, "diagnosing",
                           len(rows) + 1 + len(pairs))

        def loss(weights: Mapping[int, float]) -> float:
            write_mean(made, weights, usable_cores())
            candidate = ndarrays_to_parameters(made.out)
            parts = columns(self.evaluated(server_round, candidate, "diagnosis", HELD_OUT))[HELD_OUT]
            if self.config.transport == "message":
                gc.collect()  # as after training
            self.progress.piece()
            assert self.run.held_out_loss is not None, "without held-out rows there is no --diagnose"
            return self.run.held_out_loss(parts)

        return diagnosis(products_of_updates(made, usable_cores()), rows, pairs, loss)

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


def is_due(server_round: int, every: int, last: int) -> bool:
    """Return whether a round is one of `every` N-th, or the last; with 0 none is."""
    return every > 0 and (server_round % every == 0 or server_round == last)


def for_part(job: Job, message: EvaluateIns) -> RecordDict:
    """Return the message that asks a worker of `job` for a part of the evaluation sets."""
    config = {**message.config, "run": job.scratch}
    return legacy.evaluateins_to_recorddict(EvaluateIns(message.parameters, config), keep_input=True)


def for_piece(job: Job, message: FitIns, piece: Piece) -> RecordDict:
    """Return a participant's message for one piece of its round in the run of `job`."""
    config = {**message.config, "begin": piece.begin, "end": piece.end, "cut": piece.cut, "run": job.scratch}
    return legacy.fitins_to_recorddict(FitIns(message.parameters, config), keep_input=True)
