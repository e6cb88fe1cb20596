"""Cutting clients: every step once, in order, and a round as short as it can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.scheduling import WORTHWHILE, makespan, schedule


def lengths_of(pieces, costs):
    """Return {position: [(begin, end)] in starting order}, ends spelt out."""
    steps = {}
    for piece in pieces:
        steps.setdefault(piece.position, []).append((piece.begin, piece.end or len(costs[piece.position])))
    return steps


def simulated(pieces, costs, workers):
    """Return when the last piece ends if free workers take the first piece in the list whose client is not at work."""
    free, ready, waiting, ends = [0.0] * workers, {}, list(pieces), []
    while waiting:
        worker = int(np.argmin(free))
        piece = min(waiting, key=lambda p: (max(free[worker], ready.get(p.position, 0.0 if not p.begin else np.inf)),
                                            waiting.index(p)))
        start = max(free[worker], ready.get(piece.position, 0.0))
        cost = costs[piece.position]
        free[worker] = ready[piece.position] = start + cost[piece.begin:piece.end or len(cost)].sum()
        ends.append(free[worker])
        waiting.remove(piece)
    return max(ends)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(1, 5), st.integers(0, 99))
def test_each_step_of_each_client_is_in_one_piece_and_they_come_in_order(sizes, workers, seed):
    rng = np.random.default_rng(seed)
    costs = [rng.uniform(0.5, 2, size) for size in sizes]
    for position, parts in lengths_of(schedule(len(costs), costs.__getitem__, workers), costs).items():
        assert len(parts) <= 2 and parts[0][0] == 0 and parts[-1][1] == len(costs[position])
        assert [end for _, end in parts[:-1]] == [begin for begin, _ in parts[1:]]


@pytest.mark.parametrize("n, workers", [(3, 2), (5, 2), (5, 4), (7, 4), (5, 3), (23, 8), (101, 2)])
def test_equal_clients_keep_all_workers_busy_to_the_end(n, workers):
    costs = [np.ones(100)] * n
    pieces = schedule(n, costs.__getitem__, workers)
    assert simulated(pieces, costs, workers) <= WORTHWHILE * 100 * n / workers
    assert len(pieces) - n <= workers - 1


def test_unequal_clients_end_together_too():
    costs = [np.ones(size) for size in (90, 30, 60, 20)]
    assert makespan([90, 30, 60, 20], 2) == 110
    assert simulated(schedule(4, costs.__getitem__, 2), costs, 2) <= 102


@pytest.mark.parametrize("n, workers", [(1, 4), (4, 2), (3, 3), (6, 3), (2, 1)])
def test_nothing_is_cut_where_it_gains_nothing(n, workers):
    pieces = schedule(n, lambda k: np.ones(50), workers)
    assert [(piece.position, piece.begin, piece.end) for piece in pieces] == [(k, 0, 0) for k in range(n)]
