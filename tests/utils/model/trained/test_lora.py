"""Adapters against plain transformers and PEFT: logits and gradients, by all of this project's forward passes."""

import re
from contextlib import ExitStack

import pytest
import torch
from peft import LoraConfig, get_peft_model

from tests.loading import loaded
from tests.tiny import FAMILIES, TEXT_TO_TEXT, tiny_once
from tests.utils.model.test_encoder import TEXTS, assert_same, masks, outcome, without_dropout
from utils.config import RunConfig
from utils.errors import UserError
from utils.model.dropout import fast_dropout
from utils.model.encoder import fast_encoder
from utils.model.linear import linear_layers_by
from utils.model.trainable import choose_trained, head_of
from utils.model.varlen import varlen_encoder

#: family → the ends of the names of its attention's queries and values
PROJECTIONS = {"distilbert": ["q_lin", "v_lin"], "deberta-v2": ["query_proj", "value_proj"],
               "bart": ["q_proj", "v_proj"], "gpt2": ["c_attn"], "t5": ["q", "v"], "mt5": ["q", "v"]}


def config_of(**flags: object) -> RunConfig:
    return RunConfig.of(train="lora", **flags)


def adapted(tmp_path_factory, family: str, **flags: object):
    """Return (model with adapters whose B is not zero, tokenizer, the same model by PEFT)."""
    plain, tokenizer = without_dropout(tmp_path_factory, family)
    model, _ = without_dropout(tmp_path_factory, family)
    choose_trained(model, config_of(**flags))
    lora = LoraConfig(r=4, lora_alpha=2, target_modules=PROJECTIONS.get(family, ["query", "value"]),
                      fan_in_fan_out=family == "gpt2")
    by_peft, head = get_peft_model(plain, lora), head_of(model)
    torch.manual_seed(0)
    mine, theirs = dict(model.named_parameters()), dict(by_peft.base_model.model.named_parameters())
    assert mine.keys() == theirs.keys()
    with torch.no_grad():
        for name, p in mine.items():
            theirs[name].requires_grad_(name in head or ".lora_" in name)
            assert p.requires_grad == theirs[name].requires_grad
            if ".lora_" in name:
                theirs[name].copy_(p.normal_(std=0.2))
    return model, tokenizer, by_peft.base_model.model.train()


def batch_of(tokenizer, family: str) -> dict[str, torch.Tensor]:
    batch = dict(tokenizer(TEXTS, padding=True, return_tensors="pt"))
    return batch | {"labels": torch.full((3, 2), 5) if family in TEXT_TO_TEXT else torch.arange(3) % 2}


@pytest.mark.parametrize("family", FAMILIES)
def test_all_forward_passes_give_what_peft_gives(tmp_path_factory, family):
    model, tokenizer, by_peft = adapted(tmp_path_factory, family, lora_r="4", lora_alpha=2.0)
    batch = batch_of(tokenizer, family)
    expected = outcome(by_peft, batch)
    assert len(expected[1]) > 4
    assert_same(outcome(model, batch), expected, 0, 0)
    for way in (fast_encoder(model, masks()), linear_layers_by("onednn", model)):
        with way:
            assert_same(outcome(model, batch), expected, 1e-4, 1e-5)
    with varlen_encoder(model, torch.device("cpu"), torch.float32, packed_from=0) as feed:
        assert_same(outcome(model, feed(batch)), expected, 1e-4, 1e-5)
    bare, _ = loaded(tiny_once(tmp_path_factory.getbasetemp(), family), max_length=32,
                     text_to_text=family in TEXT_TO_TEXT)
    assert not torch.allclose(model.eval()(**batch).logits, bare.eval()(**batch).logits, atol=1e-3)


def test_dropout_inside_the_adapters_is_drawn_from_the_masks(tmp_path_factory):
    model, tokenizer, _ = adapted(tmp_path_factory, "bert", lora_r="4", lora_alpha=2.0, lora_dropout=0.5)
    batch = batch_of(tokenizer, "bert")

    def logits(seed):
        with ExitStack() as stack:
            drawn = masks(seed)
            stack.enter_context(fast_dropout(model, drawn))
            stack.enter_context(fast_encoder(model, drawn))
            return outcome(model, batch)[0]

    assert torch.equal(logits(0), logits(0)) and not torch.equal(logits(0), logits(1))


@pytest.mark.parametrize("family", ["bert", "albert", "gpt2"])
def test_at_first_the_model_is_the_bare_one_and_the_draw_is_the_seeds(tmp_path_factory, family):
    bare, tokenizer = without_dropout(tmp_path_factory, family)
    batch, drawn = batch_of(tokenizer, family), []
    for seed in (3, 3, 4):
        model, _ = without_dropout(tmp_path_factory, family)
        state = torch.get_rng_state()
        choose_trained(model, config_of(seed=seed))
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.equal(model(**batch).logits, bare(**batch).logits)
        drawn.append(torch.cat([p.flatten() for name, p in model.named_parameters() if ".lora_A." in name]))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert len(drawn[0]) == 8 * 32 * (2 if family == "albert" else 2 if family == "gpt2" else 4)  # ALBERT shares layers


def adapted_layers(tmp_path_factory, family: str, **flags: object) -> set[str]:
    model, _ = without_dropout(tmp_path_factory, family)
    choose_trained(model, config_of(**flags))
    return {name.partition(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A." in name}


@pytest.mark.parametrize("family", FAMILIES)
def test_all_linear_is_all_of_the_body_and_never_the_head(tmp_path_factory, family):
    model, _ = without_dropout(tmp_path_factory, family)
    kinds = ("Linear", "Conv1D")
    every = {name for name, module in model.named_modules() if type(module).__name__ in kinds}
    found = adapted_layers(tmp_path_factory, family, lora_targets="all-linear")
    assert found < every
    assert all(re.search("classifier|classification_head|score|pooler|lm_head", name) for name in every - found)
    assert not any(re.search("classifier|classification_head|score|pooler|lm_head", name) for name in found)


def test_targets_by_the_ends_of_their_names(tmp_path_factory):
    found = adapted_layers(tmp_path_factory, "bert", lora_targets="attention.output.dense,key")
    layer = "bert.encoder.layer"
    assert found == {f"{layer}.{k}.attention.{of}" for k in (0, 1) for of in ("self.key", "output.dense")}


@pytest.mark.parametrize("flags, message", [
    ({"lora_targets": "query,valve"}, "--lora_targets query,valve: no linear layer of the body is called 'valve'; its "
                                      "linear layers are dense, key, query, value"),
    ({"lora_targets": "classifier"}, "--lora_targets classifier: no linear layer of the body is called 'classifier'"),
    ({"lora_targets": "word_embeddings"}, "no linear layer of the body is called 'word_embeddings'"),
    ({"lora_targets": "query,"}, "--lora_targets query,: must be names joined by commas, as query,value, or all"),
    ({"lora_r": "33"}, "--lora_r 33: bert.encoder.layer.0.attention.self.query is a matrix of 32 × 32, whose rank is "
                       "32 at most; give no more than that, or other --lora_targets"),
    ({"lora_r": "4,65", "strategy": "flora"}, "--lora_r 4,65: bert.encoder.layer.0.attention.self.query is a matrix"),
    ({"lora_targets": "all-linear,query"}, "--lora_targets all-linear,query: must be names joined by commas"),
])
def test_what_is_not_there_is_one_line(tmp_path_factory, flags, message):
    with pytest.raises(UserError) as caught:
        adapted_layers(tmp_path_factory, "bert", **flags)
    assert message in str(caught.value) and "\n" not in str(caught.value)
