"""Updates in pieces against NumPy on whole windows."""

import numpy as np
import pytest

from utils.vectors import updates as module
from utils.vectors.updates import updates

RNG = np.random.default_rng(0)
BEFORE = RNG.standard_normal(9000).astype(np.float32)
CLIENTS = [(BEFORE + RNG.standard_normal(9000)).astype(np.float32) for _ in range(3)]


@pytest.mark.parametrize("room", [1, 6000, 1 << 17])
def test_the_pieces_are_the_updates_of_the_place_and_make_it_up(monkeypatch, room):
    monkeypatch.setattr(module, "ROOM", room)
    found = [(part, values.copy()) for part, values in updates(BEFORE, CLIENTS, slice(5, 8999))]
    assert [part.start for part, _ in found] == [5, *(part.stop for part, _ in found[:-1])]
    pieces = np.concatenate([values for _, values in found], axis=1)
    assert np.array_equal(pieces, (np.array(CLIENTS) - BEFORE)[:, 5:8999])
