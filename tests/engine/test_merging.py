"""Merges of all of a round's updates: looks at them first, windows, what is kept; each against whole vectors."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from engine.merging import Updates, in_turn, merged
from strategies import Participant, Round, Strategy
from strategies.averaging import Averaging
from strategies.median import Median
from tests.strategies.rounds import LAYOUT, ROWS, SIZE, answer, initial, play, server, state_of, updated
from utils.vectors.transport import WINDOW, Transport

THIS = Round(1, 0, 3, tuple(Participant(k, 1, 1) for k in range(3)), (1.0, 1.0, 1.0))


class Unit(Strategy):
    """Adds the clients' deltas, each divided by its norm in that tensor; the second of two looks needs the first.

    It keeps the number of elements that it has seen, which the second look adds up.
    """

    streams, looks, server_vectors = False, 2, 1

    def look(self, number, round, window, before, clients, seen):
        if number:
            return np.array([(window.stop - window.start) * (seen[0] > 0).all()])
        norms = np.zeros((len(self.layout.places), len(clients)))
        for tensor, part in self.layout.within(window):
            for k, client in enumerate(clients):
                norms[tensor, k] = np.square((client - before)[part], dtype=np.float64).sum()
        return norms

    def merge(self, round, window, before, clients, seen, kept):
        kept[0] += seen[1]
        new = before.astype(np.float64)
        for tensor, part in self.layout.within(window):
            for client, norm in zip(clients, seen[0][tensor]):
                new[part] += (client - before)[part] / np.sqrt(norm)
        return new


@pytest.mark.parametrize("by_reference", [True, False])
def test_what_is_seen_over_all_windows_is_there_in_each(tmp_path, by_reference):
    end = play(server(Unit(Unit.Flags(), LAYOUT), str(tmp_path) if by_reference else ""), 1, 1)
    expected, start = initial().astype(np.float64), initial()
    for place in LAYOUT.places:
        for client in updated(start, 1):
            delta = (client - start)[place.part].astype(np.float64)
            expected[place.part] += delta / np.sqrt((delta**2).sum())
    np.testing.assert_allclose(end.vector, expected, rtol=1e-5, atol=1e-7)
    assert (end.kept[0] == SIZE).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_no_bit_and_drift_is_the_distance_from_the_merged_vector(tmp_path, threads):
    transport, start = Transport(str(tmp_path), SIZE), initial()
    clients = updated(start, 1)
    updates = [transport.views(transport.send(f"client-{k}", client)) for k, client in enumerate(clients)]
    vectors = [transport.send("global-0", start), transport.send("state-0", np.zeros(SIZE, np.float32))]
    out = transport.buffer("global-1")
    drifts = merged(Unit(Unit.Flags(), LAYOUT), THIS, Updates(updates, vectors, out, transport), threads).drifts
    new = transport.receive(out)
    assert np.array_equal(new, play(server(Unit(Unit.Flags(), LAYOUT)), 1, 1).vector)
    np.testing.assert_allclose(drifts, [np.linalg.norm((client - new).astype(np.float64)) for client in clients])


def test_no_more_windows_are_begun_than_are_soon_taken():
    begun = []
    with ThreadPoolExecutor(3) as pool:
        for taken, part in enumerate(in_turn(pool, lambda part: begun.append(part) or part, range(50), 4)):
            assert part == taken and len(begun) <= taken + 4
    assert sorted(begun) == list(range(50))


def test_a_window_says_which_tensors_it_has():
    assert [*LAYOUT.within(slice(0, WINDOW))] == [(0, slice(0, 100)), (1, slice(112, WINDOW))]
    assert [*LAYOUT.within(slice(WINDOW, SIZE))] == [(1, slice(0, 5))]
    assert [*LAYOUT.within(slice(100, 112))] == []
    assert [LAYOUT.numbers(part) for part in (slice(0, WINDOW), slice(WINDOW, SIZE), slice(100, 112))] == [
        slice(0, 2), slice(1, 2), slice(0, 0)]


class Far(Strategy):
    """Two and a half times the first client's update, in one part; the server keeps the sum of its steps."""

    streams, server_vectors = False, 1

    def merge(self, round, window, before, clients, seen, kept):
        kept[0] += 1
        return before + 2.5 * (clients[0] - before)


class FarMean(Strategy):
    """Two and a half times the mean's step, of updates that weigh alike."""

    def weight(self, participant):
        return 1

    def step(self, round, window, before, mean, kept):
        mean[:] = before + 2.5 * (mean - before)


class Alike(Strategy):
    """The mean of updates that weigh alike."""

    def weight(self, participant):
        return 1


def steps_of(name, start, clients):
    """Return the step of a method, float64, and the plain mean's."""
    deltas = [client.astype(np.float64) - start for client in clients]
    step = {"averaging": lambda: np.average(deltas, axis=0, weights=ROWS), "Far": lambda: 2.5 * deltas[0],
            "FarMean": lambda: 2.5 * np.mean(deltas, axis=0), "Alike": lambda: np.mean(deltas, axis=0),
            "median": lambda: np.median(deltas, axis=0)}[name]()
    return step, np.average(deltas, axis=0, weights=ROWS)


METHODS = {"averaging": Averaging, "median": Median, "Far": Far, "FarMean": FarMean, "Alike": Alike}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("by_reference", [True, False])
def test_a_step_is_measured_beside_the_plain_mean_s(tmp_path, name, by_reference):
    there = server(METHODS[name](METHODS[name].Flags(), LAYOUT), str(tmp_path) if by_reference else "")
    for number in (1, 2):
        start = state_of(there, number).vector
        play(there, number, number)
        step, mean = steps_of(name, start, updated(start, number))
        norms = np.linalg.norm(step), np.linalg.norm(mean)
        expected = norms[0], norms[1], norms[0] / norms[1], step @ mean / norms[0] / norms[1]
        np.testing.assert_allclose(list(there.step.record(False).values()), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["median", "Far", "FarMean", "Alike"])
@pytest.mark.parametrize("by_reference", [True, False])
def test_match_norm_rescales_the_step_and_nothing_else(tmp_path, name, by_reference):
    method = METHODS[name](METHODS[name].Flags(), LAYOUT)
    there = server(method, str(tmp_path) if by_reference else "", match_norm=True, strategy="ties")
    start = initial()
    clients = updated(start, 1)
    end = play(there, 1, 1)
    step, mean = steps_of(name, start, clients)
    scale = np.linalg.norm(mean) / np.linalg.norm(step)
    np.testing.assert_allclose(end.vector, start + scale * step, rtol=1e-5, atol=1e-6)
    record = there.step.record(True)
    assert (record["ratio"], record["scale"]) == (pytest.approx(1), pytest.approx(scale, rel=1e-5))
    assert all((kept == 1).all() for kept in end.kept)


@pytest.mark.parametrize("match_norm", [True, False])
def test_a_merge_s_drift_is_the_distance_from_the_vector_that_is_kept(match_norm):
    there, start = server(Far(Far.Flags(), LAYOUT), match_norm=match_norm, strategy="ties"), initial()
    clients = [there.messages.send(f"client-{k}", client) for k, client in enumerate(updated(start, 1))]
    records = there.aggregate(1, (answer(k, arrays, ROWS[k]) for k, arrays in enumerate(clients)), [])
    kept = state_of(there, 1).vector.astype(np.float64)
    assert [one["drift"] for one in records] == pytest.approx(
        [np.linalg.norm(client - kept) for client in updated(start, 1)], rel=1e-5)


def test_identical_updates_that_do_not_move_have_no_ratio():
    there = server(Averaging(Averaging.Flags(), LAYOUT))
    play(there, 1, 1, lambda vector, number: [vector] * 3)
    assert there.step.record(False) == {"norm": 0, "mean_norm": 0, "ratio": None, "cosine": None}


@pytest.mark.parametrize("moves_base", [True, False])
def test_what_moves_into_matrices_has_no_length_in_vectors(moves_base):
    there = server(Far(Far.Flags(), LAYOUT), strategy="ties")
    there.method.moves_base = moves_base
    records = there.aggregate(1, [answer(k, [one]) for k, one in enumerate(updated(initial(), 1))], [])
    assert (there.step is None) == moves_base and all(("drift" in one) != moves_base for one in records)
