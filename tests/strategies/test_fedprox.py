"""FedProx: the gradient against autograd's own of the proximal loss, fixed points, μ = 0 against plain averaging."""

import numpy as np
import pytest
import torch

from clients.optimizer import FlatAdamW
from clients.training import Trained, Turn, add_gradient, local_training
from strategies.fedprox import FedProx
from tests.clients.test_training import ROWS, tiny  # noqa: F401
from tests.loading import loaded
from tests.strategies.quadratics import LAYOUT, Quadratics
from tests.tiny import RTE
from utils.config import RunConfig
from utils.model.heads import make_head
from utils.vectors.parameters import ParameterVector


@pytest.fixture
def at_a_distance(tiny):  # noqa: F811
    """A model that has moved from where its round began, its head and a batch."""
    folder, shard, _ = tiny
    model, tokenizer = loaded(folder, RTE, seed=3, max_length=32)
    vector, head = ParameterVector(model), make_head(RTE, tokenizer, False)
    start = vector.values.clone()
    for parameter, place in vector.parts:
        vector.values[place] += torch.randn(parameter.numel(), generator=torch.Generator().manual_seed(place.start)) / 9
    return model, vector, start, lambda: head.loss(model.train(), head.collate(shard.tokens, ROWS, shard.labels[ROWS]))


@pytest.mark.parametrize("mu", [0.5, 3.0])
def test_the_gradient_is_autograds_of_the_proximal_loss(at_a_distance, mu):
    model, vector, start, loss = at_a_distance
    proximal = sum(((parameter - start[place].view_as(parameter)) ** 2).sum() for parameter, place in vector.parts)
    (loss() + mu / 2 * proximal).backward()
    expected = [parameter.grad.clone() for parameter, _ in vector.parts]
    model.zero_grad()
    loss().backward()
    add_gradient(vector, FedProx(FedProx.Flags(mu=mu), vector.layout).term([start], []))
    for (parameter, _), wanted in zip(vector.parts, expected):
        assert torch.allclose(parameter.grad, wanted, rtol=1e-5, atol=1e-7)


def test_mu_0_is_plain_averaging_bit_for_bit_and_a_large_one_stays_near(tiny):  # noqa: F811
    folder, shard, _ = tiny
    config = RunConfig(lr=1e-3, batch_size=4, seed=5, precision="fp32")

    def trained(mu):
        model, tokenizer = loaded(folder, RTE, seed=3, max_length=32)
        vector = ParameterVector(model)
        start = vector.values.clone()
        term = None if mu is None else FedProx(FedProx.Flags(mu=mu), vector.layout).term([start], [])
        local_training(Trained(model, vector, FlatAdamW(vector, 0.0), make_head(RTE, tokenizer, False)), shard,
                       Turn(config, 1, 0, term))
        return vector.values, (vector.values - start).norm()

    plain, distance = trained(None)
    assert torch.equal(trained(0.0)[0], plain)
    assert trained(100.0)[1] < distance / 2


@pytest.mark.parametrize("mu", [0.3, 5.0])
def test_its_fixed_point_on_quadratics(mu):
    """A client goes the part 1 − (1 − lr·(a + μ))^steps of the way to a/(a + μ) of its minimum's distance."""
    problem = Quadratics.drawn()
    pull = problem.shares * problem.moved(mu) * problem.curve / (problem.curve + mu)
    np.testing.assert_allclose(problem.played(FedProx(FedProx.Flags(mu=mu), LAYOUT)), problem.balance(pull), atol=1e-9)
