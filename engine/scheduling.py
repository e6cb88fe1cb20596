"""Cuts clients in two where that lets all workers finish a round together.

Three equal clients on two workers would leave one of them idle for a quarter of the round. A client's training can
stop after any step and go on elsewhere with the same bits, so McNaughton's wrap-around rule (Scheduling with
Deadlines and Loss Functions, 1959) applies: lay the clients end to end, cut the line into equal lengths, one per
worker, and let a client that is cut do its first steps at the beginning of the next worker's line.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from clients.job import Piece
from clients.training import step_costs
from utils.config import RunConfig
from utils.data.dataset import TaskData

PLANNED = 4  # participants of each worker
WORTHWHILE = 1.05  # a cut moves a model and its optimizer's state: it must shorten the round by more than this


def schedule(n: int, cost_of: Callable[[int], np.ndarray], workers: int) -> list[Piece]:
    """Return the pieces of a round of `n` participants in the order they should start.

    `cost_of(k)`: float [steps], the cost of each optimizer step of the participant at position k. Of many
    participants most are left whole and come first, in their order; only the last few of each worker are planned.
    """
    whole = [Piece(k) for k in range(n)]
    first = max(0, n // workers - PLANNED) * workers
    costs = {k: cost_of(k) for k in range(first, n)}
    totals = {k: float(cost.sum()) for k, cost in costs.items()}
    share = max(sum(totals.values()) / workers, *totals.values())
    if makespan(totals.values(), workers) <= WORTHWHILE * share:
        return whole
    timed, clock, cuts = [], 0.0, 0  # the clock of the line that is being filled
    for k, cost in costs.items():
        rest = totals[k] - (share - clock)  # what does not fit on this line
        early = steps_within(cost, rest)
        if 0 < early < len(cost):
            timed += [(0.0, Piece(k, 0, early, cuts)), (clock, Piece(k, early, 0, cuts))]
            clock, cuts = rest, cuts + 1
        else:
            clock = 0.0 if early else clock
            timed.append((clock, whole[k]))
            clock += totals[k]
    return whole[:first] + [piece for _, piece in sorted(timed, key=lambda pair: pair[0])]


def steps_within(cost: np.ndarray, budget: float) -> int:
    """Return how many first steps come closest to costing `budget`; 0 if that is not positive."""
    ends = np.concatenate([[0.0], np.cumsum(cost)])
    return int(np.abs(ends - budget).argmin()) if budget > 0 else 0


def makespan(totals: Iterable[float], workers: int) -> float:
    """Return when the last of these ends, if each goes whole to the first worker that is free."""
    free = [0.0] * workers
    for total in totals:
        heapq.heapreplace(free, free[0] + total)
    return max(free)


def whole_clients(workers: int, server_round: int, clients: Sequence[int]) -> list[Piece]:
    """Return a piece for each of the clients."""
    return [Piece(k) for k in range(len(clients))]


def pieces_of_round(config: RunConfig, data: TaskData, workers: int, server_round: int,
                    clients: Sequence[int]) -> list[Piece]:
    """Return the pieces of a round of `clients`, by the tokens of each client's steps.

    Clients are only cut where their state can go from one worker to another through shared buffers.
    """
    if config.transport == "message" or workers == 1:
        return whole_clients(workers, server_round, clients)
    tokens = data.tokens["train"]
    return schedule(len(clients), lambda k: step_costs(tokens.lengths[data.plan.shards[clients[k]]], data.training,
                                                       server_round, clients[k]), workers)
