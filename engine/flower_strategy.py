"""Flower's Strategy around a method of strategies/: participants, messages out, and what comes back of them.

Flower's own Server can drive it. This project's loop (engine/rounds.py) uses the same messages, but hands over each
update as it comes, so that the mean is made while other clients still train.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, TypeAlias

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

from engine.merging import Updates, is_finite, merged, stepped
from strategies import Participant, Round, Strategy
from utils.config import RunConfig
from utils.data.partition import n_participants
from utils.errors import RoundFailed
from utils.machine.workers import usable_cores
from utils.seeds import generator
from utils.vectors.mean import weighted_mean
from utils.vectors.step import Step
from utils.vectors.sums import GROUP
from utils.vectors.transport import Transport

Arrays: TypeAlias = list[np.ndarray]  # those of a message that stand for a vector; see utils/vectors/transport.py


@dataclass(frozen=True)
class ServerState:
    """The server after a round (0: before the first): the global vector and the method's own, each float32 [n].

    Without vectors in `kept`, the method's are zero. `merged`: of each client the last round that its update is in.
    """

    round: int
    vector: np.ndarray
    kept: Sequence[np.ndarray] = ()
    merged: Mapping[int, int] = field(default_factory=dict)


class FlowerStrategy(FlowersStrategy):
    """Keeps the global vector, chooses each round's participants, and has `method` average or merge their updates.

    `transport` moves single vectors; `n_parts` is how many parts an evaluation is cut into, one per worker.
    Participants are drawn from (seed, round), and each message names the client it is for, because Flower's own
    sampling follows random node ids. `step` is the last round's, beside the plain mean's; None before there is one.
    """

    def __init__(self, method: Strategy, config: RunConfig, start: ServerState, transport: Transport, n_clients: int,
                 n_parts: int) -> None:
        self.method, self.config, self.transport = method, config, transport
        self.n_clients, self.n_parts = n_clients, n_parts
        self.step: Step | None = None
        self.merged = dict(start.merged)
        self.messages = Transport(transport.folder, transport.size, vectors=method.returned)
        self.vector = self.messages.buffer(f"global-{start.round % 2}")[:1]
        self.kept = [transport.buffer(f"state-{k}") for k in range(method.server_vectors)]
        self._fill(self.vector, start.vector)
        for k, arrays in enumerate(self.kept):
            self._fill(arrays, start.kept[k] if len(start.kept) else None)

    def _fill(self, arrays: list[np.ndarray], vector: np.ndarray | None) -> None:
        """Copy `vector` into a message's buffer (None: zeros)."""
        with self.transport.opened(arrays) as elements:
            for part in self.transport.windows():
                values = np.zeros(part.stop - part.start, np.float32) if vector is None else vector[part]
                elements.write(part.start, values)

    def participants(self, server_round: int) -> list[int]:
        """Return the round's clients in ascending order: max(1, round(frac_fit·K)) of the K."""
        size = n_participants(self.n_clients, self.config.frac_fit)
        drawn = generator(self.config.seed, "participants", server_round).permutation(self.n_clients)[:size]
        return sorted(drawn.tolist())

    def read(self, out: np.ndarray) -> None:
        """Copy the global vector into `out`, float32 [n]."""
        self._copy(self.vector, out)

    def read_states(self) -> list[np.ndarray]:
        """Return copies of the method's vectors, each float32 [n]."""
        copies = [np.empty(self.transport.size, np.float32) for _ in self.kept]
        for arrays, out in zip(self.kept, copies):
            self._copy(arrays, out)
        return copies

    def _copy(self, arrays: list[np.ndarray], out: np.ndarray) -> None:
        """Copy a message's vector into `out`."""
        with self.transport.opened(arrays) as elements:
            for part in self.transport.windows():
                elements.read(part.start, out[part])

    @property
    def sent(self) -> Parameters:
        """What the participants get: the global vector and the first of the method's own, as many as it sends."""
        own = self.kept[:self.method.sent - 1]
        return ndarrays_to_parameters([array for arrays in (self.vector, *own) for array in arrays])

    def initialize_parameters(self, client_manager: ClientManager) -> Parameters:
        """Return what the first round's participants get."""
        return self.sent

    def fit_messages(self, server_round: int, parameters: Parameters, n_nodes: int = 0) -> list[FitIns]:
        """Return the message to each participant, which returns its vectors in a buffer of the round.

        Where updates are averaged as they come, the buffers are few: no more clients are at work, or waiting to be
        averaged, than there are nodes (`n_nodes`; 0: all updates are there before the first is averaged) and members of
        a group, so a buffer is free again when its turn comes. With `--diagnose` all updates are there after the round.
        """
        clients = self.participants(server_round)
        few = n_nodes and self.method.streams and not self.config.diagnose
        slots = n_nodes + GROUP if few else len(clients)
        return [FitIns(parameters, {"round": server_round, "client": client, "last": self.merged.get(client, 0),
                                    "slot": k % slots, "begin": 0, "end": 0, "cut": 0})
                for k, client in enumerate(clients)]

    def evaluate_messages(self, parameters: Parameters, only: str = "") -> list[EvaluateIns]:
        """Return the message that asks for each part of the evaluation sets, or of `only` one."""
        return [EvaluateIns(parameters, {"part": part, "parts": self.n_parts, "only": only})
                for part in range(self.n_parts)]

    def configure_fit(self, server_round: int, parameters: Parameters,
                      client_manager: ClientManager) -> list[tuple[ClientProxy, FitIns]]:
        """Hand the participants' messages to Flower's Server, each for any of its nodes."""
        return list(zip(cycle(client_manager.all().values()), self.fit_messages(server_round, parameters)))

    def configure_evaluate(self, server_round: int, parameters: Parameters,
                           client_manager: ClientManager) -> list[tuple[ClientProxy, EvaluateIns]]:
        """Hand the messages of an evaluation to Flower's Server, each for any of its nodes."""
        return list(zip(cycle(client_manager.all().values()), self.evaluate_messages(parameters)))

    def aggregate_fit(self, server_round: int, results: list[tuple[ClientProxy, FitRes]],
                      failures: list[tuple[ClientProxy, FitRes] | BaseException]) -> tuple[Parameters, dict]:
        """Merge the updates that Flower's Server hands over, in whatever order they came."""
        answers = sorted((answer for _, answer in results), key=lambda answer: int(answer.metrics["client"]))
        words = [str(failure) if isinstance(failure, BaseException) else failure[1].status.message
                 for failure in failures]
        clients = self.aggregate(server_round, answers, words)
        return self.sent, {f"loss of client {client['client']}": client["loss"] for client in clients}

    def aggregate(self, server_round: int, answers: Iterable[FitRes | None], failures: list[str],
                  models: dict[int, Arrays] | None = None) -> list[dict]:
        """Make the new global vector of the participants' updates; return a record of each one that is in it.

        `answers` yields them in client order, None for one that has failed, whose reason is, or will be, in `failures`.
        A mean is made as they come in, while others still train. An update that is no vector of finite numbers is left
        out and joins the `failures`. `models`, if there is one, gets the arrays of each client's model, by client.

        Each record has the `drift`, the L2 distance of the client's vector from the mean, where GROUP or fewer took
        part, or from the merged vector. Raises RoundFailed, with the global vector as it was, when fewer than
        `min_success` are left.
        """
        clients: dict[int, dict] = {}  # by their positions
        most = len(self.participants(server_round))

        def valid() -> Iterator[tuple[list[np.ndarray], tuple[float, ...]] | None]:
            for position, answer in enumerate(answers):
                arrays = None if answer is None else self._valid(answer, failures)
                if answer is None or arrays is None:
                    yield None
                    continue
                metrics: dict[str, Any] = answer.metrics
                if models is not None:
                    models[metrics["client"]] = arrays[:1]
                clients[position] = {"client": metrics["client"], "rows": answer.num_examples, "loss": metrics["loss"],
                                     "seconds": round(metrics["seconds"], 3), "steps": metrics["steps"]}
                of = participant(clients[position])
                yield arrays, (self._weight(server_round, of), of.rows)[:1 + self.method.has_weight]

        # Two slots in turn: were a round to fail while it is written, the last global vector would still be whole.
        slot = f"global-{server_round % 2}"
        if self.method.streams:
            mean = weighted_mean(valid(), most, self.messages, slot, usable_cores(),
                                 None if self.method.has_step else self.vector, "plain-0" * self.method.has_weight)
            for k in sorted(mean.refused):
                failures.append(refusal(clients.pop(k)["client"], "it holds NaN or infinity"))
            drifts, new = mean.drifts, mean.arrays
            self._check(server_round, len(clients), failures)
            if new is None:
                raise RoundFailed(f"round {server_round}: --strategy {self.config.strategy} gives no update any weight")
            vectors = Updates([], [self.vector, *self.kept], new, self.messages)
            self.step = stepped(self.method, self._round(server_round, clients), mean, vectors, usable_cores(),
                                self.config.match_norm)
        else:
            updates = [update[0] for update in valid() if update is not None]
            self._check(server_round, len(clients), failures)
            new = self.messages.buffer(slot)
            vectors = Updates(updates, [self.vector, *self.kept], new, self.messages)
            done = merged(self.method, self._round(server_round, clients), vectors, usable_cores(),
                          self.config.match_norm)
            drifts, self.step = dict(zip(clients, done.drifts)), done.step
            if self.method.moves_base:  # what goes from adapters into matrices is the same model at another place
                drifts, self.step = {}, None
        for k, drift in drifts.items():
            clients[k]["drift"] = float(f"{drift:.6g}")
        self.vector = new[:1]
        for client in clients.values():
            del client["steps"]
            self.merged[client["client"]] = server_round
        return list(clients.values())

    def _valid(self, answer: FitRes, failures: list[str]) -> list[np.ndarray] | None:
        """Return the arrays of an answer that holds vectors, for a merge these; else say in `failures` why it does not.
        """
        arrays = parameters_to_ndarrays(answer.parameters)
        wrong = self.messages.fault(arrays)
        if not wrong and not self.method.streams:
            arrays = self.messages.views(arrays)
            if not is_finite(arrays, self.messages):
                wrong = "it holds NaN or infinity"
        if wrong:
            failures.append(refusal(answer.metrics["client"], wrong))
        return None if wrong else arrays

    def _check(self, server_round: int, succeeded: int, failures: list[str]) -> None:
        most = len(self.participants(server_round))
        needed = self.config.min_success or most
        if not succeeded or succeeded < needed:
            raise RoundFailed(f"round {server_round}: {succeeded} of {most} clients succeeded, fewer than "
                              f"--min_success {needed}: {'; '.join(failures)}")

    def _weight(self, server_round: int, of: Participant) -> float:
        weight = self.method.weight(of)
        if not 0 <= weight < math.inf:
            raise RoundFailed(f"round {server_round}: --strategy {self.config.strategy} gives client {of.client} the "
                              f"weight {weight}")
        return weight

    def _round(self, server_round: int, clients: dict[int, dict]) -> Round:
        participants = tuple(map(participant, clients.values()))
        return Round(server_round, self.config.seed, self.n_clients, participants,
                     tuple(map(self.method.weight, participants)))

    def aggregate_evaluate(self, server_round: int, results: list[tuple[ClientProxy, EvaluateRes]],
                           failures: list) -> tuple[float, dict]:
        """Return the mean loss on the first evaluation set, and {set: mean loss}: all that Flower's history holds."""
        if failures:
            raise RoundFailed(f"round {server_round}: {len(failures)} part(s) of the evaluation failed: {failures[0]}")
        sets = columns([answer for _, answer in results])
        losses = {name: sum(part[1].sum() for part in parts) / sum(part[2].sum() for part in parts)
                  for name, parts in sets.items()}
        return next(iter(losses.values())), losses

    def evaluate(self, server_round: int, parameters: Parameters) -> None:
        """Do nothing here: the workers evaluate, not the driver."""


def columns(answers: Iterable[EvaluateRes]) -> dict[str, list[np.ndarray]]:
    """Return {evaluation set: each part's columns, float64 [3, rows]} (prediction, loss, its terms), in part order."""
    metrics: list[dict[str, Any]] = sorted((answer.metrics for answer in answers), key=lambda one: one["part"])
    return {name: [np.frombuffer(one[name]).reshape(3, -1) for one in metrics]
            for name in metrics[0] if name not in ("part", "seconds")}


def participant(record: dict) -> Participant:
    """Return a client whose update a round has, from its record."""
    return Participant(record["client"], record["rows"], record["steps"])


def refusal(client: object, why: str) -> str:
    """Return what a round's failures say of an update that is not taken."""
    return f"client {client}: its update is refused: {why}"

