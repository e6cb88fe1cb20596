"""Merges of all of a round's updates: looks at them first, windows, what is kept; each against whole vectors."""

import numpy as np
import pytest

from engine.merging import Updates, merged
from strategies import Participant, Round, Strategy
from tests.strategies.rounds import LAYOUT, SIZE, initial, play, server, updated
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
    arrays = [transport.send(f"client-{k}", client) for k, client in enumerate(clients)]
    vectors = [transport.send("global-0", start), transport.send("state-0", np.zeros(SIZE, np.float32))]
    out = transport.buffer("global-1")
    drifts = merged(Unit(Unit.Flags(), LAYOUT), THIS, Updates(arrays, vectors, out, transport), threads)
    new = transport.receive(out)
    assert np.array_equal(new, play(server(Unit(Unit.Flags(), LAYOUT)), 1, 1).vector)
    np.testing.assert_allclose(drifts, [np.linalg.norm((client - new).astype(np.float64)) for client in clients])


def test_a_window_says_which_tensors_it_has():
    assert [*LAYOUT.within(slice(0, WINDOW))] == [(0, slice(0, 100)), (1, slice(112, WINDOW))]
    assert [*LAYOUT.within(slice(WINDOW, SIZE))] == [(1, slice(0, 5))]
    assert [*LAYOUT.within(slice(100, 112))] == []
