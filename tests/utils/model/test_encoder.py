"""The encoder's fast forward pass against the model's own: the same logits and gradients, in every family and task."""

import pytest
import torch

from tests.loading import loaded
from tests.tiny import FAMILIES, QASC, RTE, TEXT_TO_TEXT, tiny_once
from utils.model.dropout import Masks
from utils.model.encoder import fast_encoder
from utils.seeds import generator

TEXTS = ["A module is a file.", "Names refer to objects, and objects have a value, a type and an identity.", "Yes."]


def without_dropout(tmp_path_factory, family, spec=RTE):
    folder = tiny_once(tmp_path_factory.getbasetemp(), family)
    model, tokenizer = loaded(folder, spec, max_length=32, text_to_text=family in TEXT_TO_TEXT)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = module.activation_dropout = module.attention_dropout = 0.0
    return model.train(), tokenizer


def masks(seed=0):
    return Masks(generator(seed, "dropout"))


def outcome(model, batch):
    """Return (logits, {name: gradient}) of a training step."""
    model.zero_grad()
    out = model(**batch)
    out.loss.backward()
    return out.logits.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def assert_same(outcome, expected, rtol, atol):
    assert torch.allclose(outcome[0].float(), expected[0].float(), rtol=rtol, atol=atol)
    assert outcome[1].keys() == expected[1].keys()
    for name, gradient in outcome[1].items():
        close = atol * max(1, expected[1][name].abs().max())
        assert torch.allclose(gradient, expected[1][name], rtol=rtol, atol=close), name


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1]], ids=["padded", "one row"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_logits_and_gradients_as_the_models_own(tmp_path_factory, family, texts):
    model, tokenizer = without_dropout(tmp_path_factory, family)
    batch = dict(tokenizer(texts, padding=True, return_tensors="pt"))
    batch["labels"] = torch.full((len(texts), 2), 5) if family in TEXT_TO_TEXT else torch.arange(len(texts)) % 2
    expected = outcome(model, batch)
    with fast_encoder(model, masks()):
        assert_same(outcome(model, batch), expected, 1e-4, 1e-6)
    assert_same(outcome(model, batch), expected, 0, 0)  # its own again


@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_multiple_choice_too(tmp_path_factory, family):
    model, tokenizer = without_dropout(tmp_path_factory, family, QASC)
    batch = {key: value.view(1, 3, -1) for key, value in tokenizer(TEXTS, padding=True, return_tensors="pt").items()}
    batch["labels"] = torch.tensor([1])
    expected = outcome(model, batch)
    with fast_encoder(model, masks()):
        assert_same(outcome(model, batch), expected, 1e-4, 1e-6)


def test_bf16_differs_from_float32_no_more_than_the_models_own(tmp_path_factory):
    model, tokenizer = without_dropout(tmp_path_factory, "bert")
    batch = {**tokenizer(TEXTS, padding=True, return_tensors="pt"), "labels": torch.tensor([0, 1, 0])}
    exact = outcome(model, batch)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        own = outcome(model, batch)[0]
        with fast_encoder(model, masks()):
            fast = outcome(model, batch)[0]
    assert (fast - exact).abs().max() < 2 * (own - exact).abs().max() + 1e-3


def test_attention_dropout_is_drawn_from_the_masks(tmp_path_factory):
    model, tokenizer = without_dropout(tmp_path_factory, "bert")
    batch = {**tokenizer(TEXTS, padding=True, return_tensors="pt"), "labels": torch.tensor([0, 1, 0])}
    plain = outcome(model, batch)[0]
    for layer in model.base_model.encoder.layer:
        layer.attention.self.dropout.p = 0.5

    def logits(seed):
        with fast_encoder(model, masks(seed)):
            return outcome(model, batch)[0]

    assert torch.equal(logits(0), logits(0))
    assert not torch.equal(logits(0), logits(1))
    # its mean over masks is near the value without dropout: the scale is right
    drawn = torch.stack([logits(seed) for seed in range(50)])
    assert ((drawn.mean(0) - plain).abs() < 0.5 * drawn.std(0)).all()


def test_the_gradient_under_dropout_is_that_of_the_function_drawn(tmp_path_factory):
    """Against finite differences, along one direction, in float64's stead: a large step and a small model."""
    model, tokenizer = without_dropout(tmp_path_factory, "bert")
    for layer in model.base_model.encoder.layer:
        layer.attention.self.dropout.p = 0.3
    batch = {**tokenizer(TEXTS, padding=True, return_tensors="pt"), "labels": torch.tensor([0, 1, 0])}
    weight = model.base_model.encoder.layer[0].attention.self.value.weight

    def loss():
        with fast_encoder(model, masks()):
            return model(**batch).loss

    model.zero_grad()
    loss().backward()
    direction = weight.grad / weight.grad.norm()
    values = []
    for step in (0.01, -0.01):
        with torch.no_grad():
            weight += step * direction
            values.append(float(loss()))
            weight -= step * direction
    assert (values[0] - values[1]) / 0.02 == pytest.approx(float(weight.grad.norm()), rel=0.02)
