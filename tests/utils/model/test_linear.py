"""Linear layers by oneDNN against torch's: the same logits and gradients but for last bits, in every family."""

import pytest
import torch
from transformers.pytorch_utils import Conv1D

from tests.tiny import FAMILIES, TEXT_TO_TEXT
from tests.utils.model.test_encoder import TEXTS, assert_same, outcome, without_dropout
from utils.model.linear import linear_layers_by


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_logits_and_gradients_as_torchs(tmp_path_factory, family):
    model, tokenizer = without_dropout(tmp_path_factory, family)
    batch = dict(tokenizer(TEXTS, padding=True, return_tensors="pt"))
    batch["labels"] = torch.full((len(TEXTS), 2), 5) if family in TEXT_TO_TEXT else torch.arange(len(TEXTS)) % 2
    expected = outcome(model, batch)
    with linear_layers_by("onednn", model):
        assert all("forward" in vars(module) for module in model.modules()
                   if isinstance(module, (torch.nn.Linear, Conv1D)))
        assert_same(outcome(model, batch), expected, 1e-4, 1e-5)
    with linear_layers_by("torch", model):
        assert_same(outcome(model, batch), expected, 0, 0)
    assert_same(outcome(model, batch), expected, 0, 0)  # torch's again


@pytest.mark.parametrize("shape", [(4, 6), (2, 3, 6), (1, 6), (0, 6)])
@pytest.mark.parametrize("trained", [(True, True, True), (False, True, True), (True, False, False)])
def test_gradients_of_what_is_trained_alone(shape, trained):
    """And of tensors that do not lie in one piece: a slice going in, an expanded gradient coming back."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(6, 5)
    x = torch.randn(*shape[:-1], 12)[..., ::2]
    for tensor, wanted in zip((x, layer.weight, layer.bias), trained):
        tensor.requires_grad_(wanted)

    def gradients():
        out = layer(x)
        wanted = [tensor for tensor in (x, layer.weight, layer.bias) if tensor.requires_grad]
        return out.detach(), torch.autograd.grad(out.sum(), wanted)

    out, expected = gradients()
    with linear_layers_by("onednn", torch.nn.Sequential(layer)):
        found, other = gradients()
    assert torch.allclose(found, out, atol=1e-6)
    for one, two in zip(other, expected, strict=True):
        assert one.shape == two.shape and torch.allclose(one, two, atol=1e-5)
