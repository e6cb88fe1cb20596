"""Krum and Multi-Krum against Flower's own on whole vectors, beside clients that send anything."""

import numpy as np
import pytest
from flwr.server.strategy.aggregate import aggregate_krum

from strategies.krum import Krum
from strategies.multi_krum import MultiKrum
from tests.strategies.rounds import LAYOUT, SIZE, initial, play, server
from utils.errors import UserError


def spoilt(vector, number):
    """What seven clients send, of which one sends noise, and one its update times −10."""
    rng = np.random.default_rng(number)
    common = rng.normal(0, 0.01, SIZE)
    updates = [common + rng.normal(0, 0.01, SIZE) for _ in range(7)]
    updates[1], updates[4] = rng.normal(0, 0.1, SIZE), -10 * updates[4]
    return [(vector + update).astype(np.float32) for update in updates]


@pytest.mark.parametrize("byzantine", [-1, 0, 1, 2])
@pytest.mark.parametrize("keep", [1, 3, 0])
def test_it_is_flowers_and_takes_no_spoilt_update(tmp_path, byzantine, keep):
    vector, f = initial(), 2 if byzantine < 0 else byzantine
    for number in (1, 2):
        came = spoilt(vector, number)
        expected, = aggregate_krum([([one], 1) for one in came], f, 0 if keep == 1 else keep or 7 - f)
        of = Krum(Krum.Flags(byzantine), LAYOUT) if keep == 1 else MultiKrum(MultiKrum.Flags(byzantine, keep), LAYOUT)
        mine = play(server(of, str(tmp_path)), 1, 1, lambda *_: came).vector
        np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-7)
        if keep or f == 2:
            assert np.abs(mine - vector).max() < 0.12  # the honest ones' largest; the others' go up to 0.5
        vector = mine


def test_krum_is_one_of_the_updates_bit_for_bit():
    came = spoilt(initial(), 3)
    mine = play(server(Krum(Krum.Flags(), LAYOUT)), 1, 1, lambda *_: came).vector
    assert any(np.array_equal(mine, one) for k, one in enumerate(came) if k not in (1, 4))


@pytest.mark.parametrize("flags, participants, needed", [(Krum.Flags(1), 4, 5), (Krum.Flags(), 2, 3)])
def test_too_few_clients_are_an_error_before_the_first_round(flags, participants, needed):
    with pytest.raises(UserError, match=f"--strategy krum: needs {needed} clients in each round, and may have"):
        Krum.check(flags, participants)
    Krum.check(flags, needed)
