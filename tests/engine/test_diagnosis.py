"""What a diagnosed round's record says, on losses whose gap and barriers are known in closed form."""

import math

import numpy as np
import pytest
import torch

from engine.diagnosis import (
    MOST_PAIRS,
    diagnosis,
    loss_on,
    pairs_of,
    products_of_updates,
    write_mean,
)
from engine.merging import Updates
from engine.rounds import is_due
from preprocess.rte import SPEC
from tests.strategies.quadratics import LAYOUT as SIX
from tests.strategies.quadratics import Quadratics
from tests.strategies.rounds import LAYOUT, ROWS, SIZE, once, updated
from utils.data.evaluation import EvaluationSet
from utils.plugins import STRATEGIES
from utils.vectors.transport import Transport

START = np.random.default_rng(3).standard_normal(SIX.size).astype(np.float32)


def updates(vectors, before, folder=""):
    """Return the messages of these vectors, which began with `before`, and room for a mean of them."""
    transport = Transport(folder, len(before))
    held = transport.send("global-0", before)
    models = [transport.send(f"client-{k}", vector) for k, vector in enumerate(vectors)]
    return Updates([transport.views(arrays) for arrays in models], [held],
                   transport.buffer("candidate-0"), transport)


@pytest.mark.parametrize("by_reference", [True, False])
def test_on_quadratics_all_of_it_is_what_the_curvatures_say(tmp_path, by_reference):
    """With the Hessian H, the gap is half the models' mean squared distance from their mean, by H; barriers are < 0."""
    losses = Quadratics.drawn(seed=2)
    models = np.array([losses.update(k, [torch.from_numpy(START.astype(np.float64))], None)[0] for k in range(3)],
                      np.float32)
    made, shares = updates(models, START, str(tmp_path) if by_reference else ""), losses.shares[:, 0]
    hessian = shares @ losses.curve

    def loss_at(w):
        return (shares @ (losses.curve / 2 * (w - losses.best) ** 2)).sum()

    def loss(weights):
        write_mean(made, weights)
        return loss_at(made.transport.receive(made.out).astype(np.float64))

    clients = [4, 7, 9]
    pairs = pairs_of(3, 0, 1)
    found = diagnosis(products_of_updates(made), dict(zip(clients, losses.rows)), pairs, loss)
    steps = models - START.astype(np.float64)
    mean = shares @ models
    lengths = np.linalg.norm(steps, axis=1)
    np.testing.assert_allclose(found["norms"], lengths, rtol=1e-5)
    np.testing.assert_allclose(found["cosines"], steps @ steps.T / np.outer(lengths, lengths), atol=1e-5)
    np.testing.assert_allclose(found["losses"], [loss_at(model) for model in models], rtol=1e-6)
    assert found["mean_loss"] == pytest.approx(loss_at(mean), rel=1e-6)
    assert found["jensen_gap"] == pytest.approx((shares @ (models - mean) ** 2 @ hessian) / 2, rel=1e-5)
    assert [each["clients"] for each in found["barriers"]] == [[4, 7], [4, 9], [7, 9]]
    np.testing.assert_allclose([each["value"] for each in found["barriers"]],
                               [-((models[i] - models[j]) ** 2 @ hessian) / 8 for i, j in pairs], rtol=1e-5)


@pytest.mark.parametrize("by_reference", [True, False])
def test_the_mean_has_the_bits_of_a_round_of_averaging_and_threads_change_none(tmp_path, by_reference):
    before = np.random.default_rng(1).standard_normal(SIZE).astype(np.float32)
    models = updated(before, 1)
    made = updates(models, before, str(tmp_path) if by_reference else "")
    products = [products_of_updates(made, threads) for threads in (1, 3)]
    steps = np.array(models, np.float64) - before
    np.testing.assert_allclose(products[0], steps @ steps.T, rtol=1e-5, atol=1e-2)
    assert np.array_equal(*products)
    cls = STRATEGIES.load("averaging")
    mean = once(cls(cls.Flags(), LAYOUT), before, models, ROWS)
    for threads in (1, 3):
        write_mean(made, {0: 1}, threads)
        assert np.array_equal(made.transport.receive(made.out), models[0])
        write_mean(made, dict(enumerate(ROWS)), threads)
        assert np.array_equal(made.transport.receive(made.out), mean)


def test_all_pairs_are_taken_up_to_ten_and_else_ten_of_the_seed_and_round():
    assert pairs_of(1, 0, 1) == [] and pairs_of(3, 5, 1) == [(0, 1), (0, 2), (1, 2)]
    assert len(pairs_of(5, 0, 1)) == MOST_PAIRS
    drawn = [pairs_of(40, seed, number) for seed, number in ((1, 1), (1, 2), (2, 1))]
    for pairs in drawn:
        assert pairs == sorted(set(pairs)) and len(pairs) == MOST_PAIRS
        assert all(0 <= one < other < 40 for one, other in pairs)
    assert len(set(map(tuple, drawn))) == 3 and drawn[0] == pairs_of(40, 1, 1)


def test_one_participant_gains_nothing_by_its_mean():
    found = diagnosis(np.array([[4.0]]), {3: 7}, [], lambda weights: 0.1)
    assert found == {"norms": [2.0], "cosines": [[1.0]], "losses": [0.1], "mean_loss": 0.1, "jensen_gap": 0.0,
                     "barriers": []}


def test_what_is_no_finite_number_is_none():
    """A model that did not move has no cosines; one whose answers are no numbers has no loss."""
    found = diagnosis(np.array([[4.0, 0.0], [0.0, 0.0]]), {0: 1, 1: 1}, [(0, 1)],
                      lambda weights: math.nan if [*weights] == [0] else 0.5)
    assert found == {"norms": [2.0, 0.0], "cosines": [[1.0, None], [None, None]], "losses": [None, 0.5],
                     "mean_loss": 0.5, "jensen_gap": None, "barriers": [{"clients": [0, 1], "value": None}]}


@pytest.mark.parametrize("worst, loss", [(4.0, (1.5 + 4.0) / 2), (math.nan, math.nan)])
def test_a_loss_is_the_mean_of_the_domains_and_of_no_part_of_them(worst, loss):
    rows = EvaluationSet("val", "train", np.arange(3), np.zeros(3), ("a", "b"), (np.array([0, 1]), np.array([2])),
                         (np.array([2]), np.array([0, 1])))
    parts = [np.array([[0.0], [worst], [1.0]]), np.array([[0.0, 0.0], [1.0, 2.0], [1.0, 1.0]])]
    assert loss_on(SPEC, rows, parts) == pytest.approx(loss, nan_ok=True)


def test_every_nth_round_and_the_last_are_diagnosed():
    assert [number for number in range(1, 9) if is_due(number, 3, 8)] == [3, 6, 8]
    assert not any(is_due(number, 0, 8) for number in range(1, 9))
