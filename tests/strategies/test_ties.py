"""TIES against PEFT's where clients have equal rows, and against the paper's box in float64 where they have not."""

import numpy as np
import pytest
import torch
from peft.utils.merge_utils import ties

from strategies.ties import Ties
from tests.strategies.rounds import LAYOUT, ROWS, distinct, gaussian, initial, once, play, server, step_length, updated
from utils.errors import UserError
from utils.flags import check_flags


@pytest.mark.parametrize("density, scale", [(0.2, 1.0), (0.5, 0.3)])
def test_it_is_pefts(density, scale):
    clients = distinct(3)
    mine = once(Ties(Ties.Flags(density=density, scale=scale), LAYOUT), np.zeros_like(clients[0]), clients)
    for place in LAYOUT.places:
        theirs = ties([torch.from_numpy(client)[place.part] for client in clients], torch.ones(3), density)
        np.testing.assert_allclose(mine[place.part], scale * theirs.numpy(), rtol=1e-6)
    assert not mine[100:112].any()


def papers(before, clients, weights, density):
    """Algorithm 1 on whole tensors, with weights; each vector float64."""
    merged = before.copy()
    for place in LAYOUT.places:
        task = (np.array(clients, np.float32) - before.astype(np.float32))[:, place.part].astype(np.float64)
        kept = max(1, int(density * task.shape[1]))
        trimmed = np.where(np.abs(task) >= -np.sort(-np.abs(task))[:, kept - 1:kept], task, 0)
        elected = np.sign(weights @ trimmed)
        agree = weights[:, None] * (np.sign(trimmed) == elected) * (trimmed != 0)
        merged[place.part] += (agree * trimmed).sum(axis=0) / np.maximum(agree.sum(axis=0), 1)
    return merged


def test_weights_are_the_clients_rows_through_whole_rounds(tmp_path):
    vector = initial().astype(np.float64)
    for number in (1, 2):
        vector = papers(vector, updated(vector.astype(np.float32), number), np.array(ROWS, np.float64), 0.2)
    mine = play(server(Ties(Ties.Flags(), LAYOUT), str(tmp_path)), 1, 2).vector
    assert (np.abs(mine - vector) > 1e-6).mean() < 1e-5  # a rounded θ may move one element across a threshold


def test_opposite_updates_elect_no_sign_and_equal_ones_agree():
    before, update = initial(), updated(initial(), 1)[0] - initial()
    method = Ties(Ties.Flags(density=1.0), LAYOUT)
    opposite = once(method, np.zeros_like(before), [update, -update])
    assert not opposite.any()
    agreed = once(method, before, [before + update] * 3)
    for place in LAYOUT.places:
        np.testing.assert_allclose(agreed[place.part], (before + update)[place.part], atol=1e-6)


def test_its_step_is_longer_than_the_means():
    """Gaussian updates of four clients at a cosine of 0.05."""
    assert step_length(Ties(Ties.Flags(density=0.2), LAYOUT), gaussian(0.05)) == pytest.approx(2.6, abs=0.05)


@pytest.mark.parametrize("density", [0.0, 1.2])
def test_a_density_out_of_range_is_an_error(density):
    with pytest.raises(UserError, match="--density .*: must be a number above 0, up to 1"):
        check_flags(Ties.Flags(density=density))
