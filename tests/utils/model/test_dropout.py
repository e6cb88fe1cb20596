"""Dropout masks: the right share, the right scale, from their generator alone; and every model back as it was."""

import pytest
import torch

from tests.loading import loaded
from tests.tiny import FAMILIES, RTE, TEXT_TO_TEXT, tiny_once
from utils.model.dropout import Masks, fast_dropout
from utils.seeds import generator


def masks(*numbers):
    return Masks(generator(1, "dropout", *numbers))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.37, 0.5, 1.0])
@pytest.mark.parametrize("dtype, close", [(torch.float32, 1e-6), (torch.bfloat16, 2**-9)])
def test_a_mask_drops_its_share_and_keeps_the_mean(p, dtype, close):
    mask = masks().draw(torch.Size((1000, 1001)), p, dtype)
    assert mask.dtype == dtype and mask.shape == (1000, 1001)
    assert float((mask == 0).double().mean()) == pytest.approx(p, abs=0.002)  # four standard errors
    if p < 1:
        assert mask.unique().tolist()[-1] == pytest.approx(1 / (1 - p), rel=close)
    for axis in (0, 1):  # independent draws: the shares of rows and columns differ as much as chance makes them
        assert (mask == 0).double().mean(axis).std() <= 1.15 * (p * (1 - p) / 1000) ** 0.5


def test_masks_are_a_pure_function_of_the_generator():
    def draw(*numbers):
        return masks(*numbers).draw(torch.Size((9, 7)), 0.5, torch.float32)

    assert torch.equal(draw(1, 2), draw(1, 2))
    assert not torch.equal(draw(1, 2), draw(1, 3)) and not torch.equal(draw(1, 2), draw(2, 2))
    one = masks()
    assert not torch.equal(*(one.draw(torch.Size((64,)), 0.5, torch.float32) for _ in range(2)))


def test_the_gradient_has_the_outputs_mask():
    x = torch.ones(200, requires_grad=True)
    y = masks()(x, 0.5)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    assert 0 < int((y == 0).sum()) < 200


@pytest.mark.parametrize("family", FAMILIES)
def test_a_models_dropout_comes_from_the_masks_in_training_only(tmp_path_factory, family):
    """For every family: drawn anew, alike for one generator, none in evaluation mode, and gone after the `with`."""
    folder = tiny_once(tmp_path_factory.getbasetemp(), family)
    model, tokenizer = loaded(folder, RTE, max_length=32, text_to_text=family in TEXT_TO_TEXT)
    batch = dict(tokenizer(["A module is a file.", "Names refer to objects."], padding=True, return_tensors="pt"))
    batch["labels"] = torch.tensor([[4, 5], [6, 7]]) if family in TEXT_TO_TEXT else torch.tensor([0, 1])

    def logits(seed):
        torch.manual_seed(0)  # what is not a module keeps torch's dropout
        with torch.no_grad(), fast_dropout(model, masks(seed)):
            return model(**batch).logits

    plain = model(**batch).logits.detach()
    assert torch.allclose(logits(0), plain, atol=1e-5)  # evaluation mode
    model.train()
    assert torch.equal(logits(0), logits(0))
    if family != "bart":  # it has no such module
        assert not torch.equal(logits(0), logits(1))
    assert torch.isfinite(logits(0)).all()
    assert not any("forward" in vars(module) for module in model.modules())
    assert torch.allclose(model.eval()(**batch).logits, plain)
