"""The running average against torch's own of the same steps, and that shortcuts, terms and cuts do not change it."""

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from clients.average import DECAY, share_of_step
from clients.optimizer import FlatAdamW
from clients.training import SoFar, Trained, Turn, local_training
from strategies import Term
from tests.clients.test_training import tiny  # noqa: F401
from tests.loading import loaded
from tests.tiny import RTE
from utils.config import RunConfig
from utils.errors import UserError
from utils.model.heads import make_head
from utils.vectors.parameters import ParameterVector


class Recording(FlatAdamW):
    """Notes the weights after each step, and the sum of the rates up to it."""

    def update(self, lr):
        super().update(lr)
        self.steps_seen = [*getattr(self, "steps_seen", []), self.vector.values.clone()]
        self.rates = [*getattr(self, "rates", [0.0]), getattr(self, "rates", [0.0])[-1] + lr]


def trained(tiny, term=None, **flags):  # noqa: F811
    """Return (the vector after a round of 12 steps, the optimizer, how far it came)."""
    folder, shard, _ = tiny
    model, tokenizer = loaded(folder, RTE, seed=3, max_length=32)
    vector = ParameterVector(model)
    optimizer, so_far = Recording(vector, 0.0), SoFar()
    config = RunConfig(lr=1e-3, batch_size=4, epoch=2, seed=5, precision="fp32", lr_schedule="linear", **flags)
    local_training(Trained(model, vector, optimizer, make_head(RTE, tokenizer, False)), shard,
                   Turn(config, 1, 0, term), so_far)
    return vector.values.clone(), optimizer, so_far


@pytest.mark.parametrize("kind", ["swa", "ema"])
@pytest.mark.parametrize("begins, first", [(0.0, 0), (0.5, 6), (0.7, 8), (1.0, 11)])
def test_it_is_torchs_of_the_same_steps(tiny, kind, begins, first):  # noqa: F811
    """With a term that adds nothing all tensors are in the vector at each step, where the reference finds them."""
    found, optimizer, so_far = trained(tiny, Term(), client_average=kind, client_average_from=begins)
    assert len(optimizer.steps_seen) == 12
    module = torch.nn.Module()
    module.w = torch.nn.Parameter(torch.zeros(len(found) + 1, dtype=torch.float64))
    theirs = AveragedModel(module, avg_fn=None if kind == "swa" else lambda average, new, n: average + (new - average)
                           * (1 - DECAY) / (1 - DECAY**(int(n) + 1)))
    for seen, travelled in zip(optimizer.steps_seen[first:], optimizer.rates[1 + first:]):
        module.w.data = torch.cat([seen.double(), torch.tensor([travelled], dtype=torch.float64)])
        theirs.update_parameters(module)
    expected = theirs.module.w.detach()
    torch.testing.assert_close(found.double(), expected[:-1], rtol=1e-5, atol=1e-7)
    assert so_far.travelled == pytest.approx(float(expected[-1]))


def test_the_ema_weighs_each_step_by_the_decay(tiny):  # noqa: F811
    found, optimizer, _ = trained(tiny, Term(), client_average="ema", client_average_from=0.25)
    weights = DECAY ** np.arange(8, -1, -1)
    expected = np.average([seen.double().numpy() for seen in optimizer.steps_seen[3:]], axis=0, weights=weights)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ["swa", "ema"])
def test_training_used_embeddings_alone_gives_the_same_bits(tiny, kind):  # noqa: F811
    assert torch.equal(trained(tiny, client_average=kind)[0], trained(tiny, Term(), client_average=kind)[0])


def test_an_average_of_the_last_step_alone_is_that_step(tiny):  # noqa: F811
    plain = trained(tiny)[0]
    assert torch.equal(trained(tiny, client_average="swa", client_average_from=1.0)[0], plain)
    assert not torch.equal(trained(tiny, client_average="swa")[0], plain)


def test_a_round_of_one_step_has_an_average():
    config = RunConfig(client_average="swa")
    assert [share_of_step(config, made, 1) for made in (1,)] == [1.0]
    assert [share_of_step(config, made, 3) for made in (1, 2, 3)] == [0.0, 1.0, 0.5]


def test_it_is_in_the_runs_name_and_its_beginning_needs_it():
    assert RunConfig(client_average="swa").method == "noniid-client_swa"
    late = RunConfig(client_average="ema", client_average_from=0.8, centralized=True)
    assert late.method == "centralized-client_ema0.8"
    with pytest.raises(UserError, match="--client_average_from 0.8: needs --client_average swa or ema"):
        RunConfig(client_average_from=0.8)
