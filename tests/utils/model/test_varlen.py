"""The encoder packed by variable-length attention against the model's own passes, on the CPU: all but the device."""

import pytest
import torch

from tests.tiny import QASC
from tests.utils.model.test_encoder import TEXTS, assert_same, outcome, without_dropout
from utils.model.encoder import heads_read_first_token
from utils.model.varlen import has_kernel, varlen_encoder

CPU = torch.device("cpu")
PACKED = ("bert", "roberta", "xlm-roberta", "electra")


def outcomes(model, batch, packed_from):
    """Return (the model's own outcome, the one inside the `with`, whether the encoder was packed)."""
    expected = outcome(model, batch)
    with varlen_encoder(model, CPU, torch.float32, packed_from) as feed:
        brought = feed(batch)
        found = outcome(model, brought)
    assert_same(outcome(model, batch), expected, 0, 0)  # its own again
    return expected, found, feed.packing is not None


@pytest.mark.parametrize("packed_from", [0, 10**6], ids=["packed", "padded"])
@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1], TEXTS[:1] * 2], ids=["padded", "one row", "full"])
@pytest.mark.parametrize("family", [*PACKED, "distilbert", "gpt2"])
def test_the_same_logits_and_gradients_as_the_models_own(tmp_path_factory, family, texts, packed_from):
    model, tokenizer = without_dropout(tmp_path_factory, family)
    batch = dict(tokenizer(texts, padding=True, return_tensors="pt"))
    batch["labels"] = torch.arange(len(texts)) % 2
    expected, found, packed = outcomes(model, batch, packed_from)
    assert packed == (family in PACKED and packed_from == 0) and (family in PACKED) == heads_read_first_token(model)
    assert_same(found, expected, 1e-4, 1e-6)


@pytest.mark.parametrize("packed_from", [0, 10**6], ids=["packed", "padded"])
@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_multiple_choice_too(tmp_path_factory, family, packed_from):
    model, tokenizer = without_dropout(tmp_path_factory, family, QASC)
    batch = {key: value.view(1, 3, -1) for key, value in tokenizer(TEXTS, padding=True, return_tensors="pt").items()}
    batch["labels"] = torch.tensor([1])
    expected, found, packed = outcomes(model, batch, packed_from)
    assert packed == (packed_from == 0)
    assert_same(found, expected, 1e-4, 1e-6)


def test_the_rule_counts_real_tokens(tmp_path_factory):
    model, tokenizer = without_dropout(tmp_path_factory, "bert")
    batch = {**tokenizer(TEXTS, padding=True, return_tensors="pt"), "labels": torch.tensor([0, 1, 0])}
    tokens = int(batch["attention_mask"].sum())
    assert tokens < batch["attention_mask"].numel()
    assert [outcomes(model, batch, limit)[2] for limit in (tokens, tokens + 1)] == [True, False]


def test_attention_dropout_has_the_right_scale(tmp_path_factory):
    model, tokenizer = without_dropout(tmp_path_factory, "bert")
    batch = {**tokenizer(TEXTS, padding=True, return_tensors="pt"), "labels": torch.tensor([0, 1, 0])}
    plain = outcome(model, batch)[0]
    for layer in model.base_model.encoder.layer:
        layer.attention.self.dropout.p = 0.5
    drawn = []
    with varlen_encoder(model, CPU, torch.float32, 0) as feed, torch.no_grad():
        for seed in range(50):
            torch.manual_seed(seed)
            drawn.append(model(**feed(batch)).logits)
        torch.manual_seed(0)
        assert torch.equal(model(**feed(batch)).logits, drawn[0]) and not torch.equal(drawn[0], drawn[1])
        model.eval()
        assert torch.allclose(model(**feed(batch)).logits, plain, rtol=1e-4, atol=1e-6)
    drawn = torch.stack(drawn)
    assert ((drawn.mean(0) - plain).abs() < 0.5 * drawn.std(0)).all()


def test_evaluation_in_inference_mode_and_training_in_bf16(tmp_path_factory):
    model, tokenizer = without_dropout(tmp_path_factory, "bert")
    batch = {**tokenizer(TEXTS, padding=True, return_tensors="pt"), "labels": torch.tensor([0, 1, 0])}
    exact, found, _ = outcomes(model, batch, 0)
    with varlen_encoder(model, CPU, torch.bfloat16, 0) as feed:
        with torch.inference_mode():
            assert torch.allclose(model(**feed(batch)).logits, exact[0], rtol=1e-4, atol=1e-6)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            fast = outcome(model, feed(batch))[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        own = outcome(model, batch)[0]
    assert (fast - exact[0]).abs().max() < 2 * (own - exact[0]).abs().max() + 1e-3


def test_a_kernel_is_found_whatever_it_is_first_asked_for():
    for context in (torch.inference_mode, torch.no_grad, torch.enable_grad):
        has_kernel.cache_clear()
        with context():
            assert has_kernel(CPU, torch.float32) and has_kernel(CPU, torch.bfloat16)


def test_nothing_is_packed_without_a_kernel_or_where_the_same_bits_are_asked_for(tmp_path_factory, monkeypatch):
    assert has_kernel(CPU, torch.float32) and has_kernel(CPU, torch.bfloat16)
    assert not has_kernel(torch.device("meta"), torch.float32)
    model, tokenizer = without_dropout(tmp_path_factory, "bert")
    batch = {**tokenizer(TEXTS, padding=True, return_tensors="pt"), "labels": torch.tensor([0, 1, 0])}
    torch.use_deterministic_algorithms(True)
    try:
        assert not outcomes(model, batch, 0)[2]
    finally:
        torch.use_deterministic_algorithms(False)
