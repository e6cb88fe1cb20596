"""Weights that a checkpoint has and the model has not: named where they are the body's, noted where they are not."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoModelForPreTraining

from tests.loading import edit, loaded, refused
from tests.tiny import RTE

LOST = {"bert": "encoder.layer.0.attention.self.distance_embedding.weight", "gpt2": "h.1.attn.lora_A.weight",
        "roberta": "encoder.layer.7.output.dense.bias", "distilbert": "transformer.layer.0.adapter.weight",
        "bart": "encoder.layers.0.extra.weight", "t5": "decoder.block.9.layer.0.SelfAttention.q.weight"}


def add(folder, prefix="", **weights: torch.Tensor):
    """Put weights into the folder's checkpoint, whose own get a prefix."""
    there = {prefix + key: value for key, value in load_file(folder / "model.safetensors").items()}
    save_file(there | weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(("family", "prefix"), [
    *((family, "") for family in LOST), ("bert", "bert."), ("gpt2", "transformer."), ("bart", "model.")])
def test_weights_of_the_body_without_a_place_are_an_error_that_names_them(copied, family, prefix):
    name = prefix + LOST[family]
    message = refused(add(copied(family), prefix, **{name: torch.ones(2)}))
    assert f"has no place for 1 of its weights, and would be another model without them: {name}" in message


@pytest.mark.parametrize(("family", "weights_of"), [
    ("bert", "roberta"), ("electra", "bert"), ("bart", "bert"), ("t5", "bart"), ("gpt2", "distilbert")])
def test_another_architecture_s_weights_are_refused(tiny, copied, family, weights_of):
    folder = copied(family, "model.safetensors")
    (folder / "model.safetensors").write_bytes((tiny(weights_of) / "model.safetensors").read_bytes())
    assert "weights are not those of" in refused(folder)


def test_layers_that_the_config_does_not_count_are_an_error(copied):
    assert "no place for 16 of its weights" in refused(edit(copied("bert"), num_hidden_layers=1))


@pytest.mark.parametrize(("family", "auto", "parts"), [
    ("bert", AutoModelForPreTraining, "cls"), ("roberta", AutoModelForMaskedLM, "lm_head"),
    ("distilbert", AutoModelForMaskedLM, "vocab_layer_norm, vocab_projector, vocab_transform"),
    ("electra", AutoModelForPreTraining, "discriminator_predictions"),
    ("albert", AutoModelForPreTraining, "predictions, sop_classifier")])
def test_heads_of_other_tasks_are_told(tiny, copied, caplog, family, auto, parts):
    caplog.set_level("INFO", logger="lm")
    folder = copied(family)
    auto.from_pretrained(folder).save_pretrained(folder)
    loaded(folder, RTE, max_length=32)
    [line] = [record.message for record in caplog.records if "left out" in record.message]
    assert line.startswith(f"--model {folder}: its weights for other tasks are left out: {parts} (")


def test_a_pooler_that_the_head_does_not_read_is_told(tiny, caplog):
    caplog.set_level("INFO", logger="lm")
    loaded(tiny("roberta"), RTE, max_length=32)
    assert "left out: pooler (2 tensors)" in caplog.records[0].message


def test_what_older_versions_saved_though_nothing_is_learnt_in_it_is_passed_over(copied, caplog):
    caplog.set_level("INFO", logger="lm")
    for family, *keys in (("bert", "embeddings.position_ids", "embeddings.token_type_ids"),
                          ("gpt2", "h.0.attn.masked_bias", "h.0.attn.bias", "h.1.attn.attention.bias")):
        loaded(add(copied(family), **{key: torch.ones(1, 4) for key in keys}), RTE, max_length=32)
    assert not any("left out" in record.message for record in caplog.records)
