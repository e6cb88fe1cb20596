"""DARE: its law given the mask, PEFT's with the same mask, and the mask itself."""

import numpy as np
import pytest
import torch
from peft.utils import merge_utils

from strategies.dare import Dare, draws_from
from tests.strategies.rounds import LAYOUT, ROWS, SIZE, distinct, initial, once, updated


def masks(density, n_clients):
    return [draws_from(0, 0, 1, client).random(SIZE, dtype=np.float32) < density for client in range(n_clients)]


@pytest.mark.parametrize("density", [0.1, 0.7])
def test_given_the_mask_it_is_the_papers(density):
    start, clients = initial(), updated(initial(), 1)
    kept = [mask * (client - start).astype(np.float64) for mask, client in zip(masks(density, 3), clients)]
    expected = start + np.array(ROWS) / 8 @ np.array(kept) / density
    mine = once(Dare(Dare.Flags(density=density), LAYOUT), start, clients, ROWS)
    np.testing.assert_allclose(mine, expected, atol=1e-6)


@pytest.mark.parametrize("theirs, elect", [("dare_linear", False), ("dare_ties", True)])
def test_with_the_same_mask_it_is_pefts(monkeypatch, theirs, elect):
    clients, drawn = distinct(3), iter(masks(0.5, 3))
    monkeypatch.setattr(torch, "bernoulli", lambda input: torch.from_numpy(next(drawn)).to(input.dtype))
    weights = torch.ones(3) if elect else torch.full((3,), 1 / 3)
    expected = getattr(merge_utils, theirs)([torch.from_numpy(client) for client in clients], weights, 0.5)
    mine = once(Dare(Dare.Flags(density=0.5, elect=elect), LAYOUT), np.zeros(SIZE, np.float32), clients)
    np.testing.assert_allclose(mine, expected.numpy(), rtol=1e-5, atol=1e-7)


def test_the_mask_is_of_the_position_the_round_and_the_client_alone():
    whole = draws_from(0, 5, 2, 1).random(1000, dtype=np.float32)
    for position in (0, 1, 16, 333):
        assert np.array_equal(draws_from(position, 5, 2, 1).random(600, dtype=np.float32),
                              whole[position:position + 600])
    for other in ((6, 2, 1), (5, 3, 1), (5, 2, 0)):
        assert not np.isin(draws_from(0, *other).random(20, dtype=np.float32), whole).any()


def test_the_part_that_is_kept_is_the_density():
    assert np.mean(masks(0.1, 3)) == pytest.approx(0.1, abs=1e-3)
