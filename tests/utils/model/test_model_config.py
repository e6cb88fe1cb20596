"""What a config.json may ask for beside the answers goes; what cannot be is refused."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer

from tests.loading import answers, edit, in_batch_as_alone, loaded, louder, plain, refused
from tests.tiny import RTE
from utils.model import loading
from utils.model.heads import make_head

ASKED = {"output_attentions": True, "output_hidden_states": True, "return_dict": False, "torchscript": True,
         "chunk_size_feed_forward": 7}
FLASH = {"attn_implementation": "flash_attention_2"}


@pytest.mark.parametrize(("family", "asked"), [*((family, ASKED) for family in ("bert", "gpt2", "bart", "t5")),
                                               ("bert", FLASH)])
def test_keys_that_change_the_form_of_the_answers_go(tiny, copied, family, asked, tmp_path):
    right, tokenizer = loaded(tiny(family), RTE)
    model, _ = loaded(edit(copied(family), **asked, use_cache=True), RTE)
    loading.save(model, tokenizer, tmp_path / "saved")
    saved, _ = plain(tmp_path / "saved", RTE, family == "t5")
    assert not set(asked) & set(json.loads((tmp_path / "saved" / "config.json").read_text()))
    for each in (model, saved):
        assert torch.equal(answers(each, tokenizer), answers(right, tokenizer))
    head = make_head(RTE, tokenizer, family == "t5")
    inputs = tokenizer(["One.", "And another."], padding=True, return_tensors="pt")
    labels = head.targets(torch.tensor([0, 1]).numpy())
    assert head.loss(model, {**inputs, "labels": labels}).shape == ()
    assert len(head.evaluate(model, {**inputs, "labels": labels})) == 3


def test_big_bird_s_sparse_attention_does_not_depend_on_what_was_read_before(tiny, tmp_path):
    """It would go over to full attention for good at the first short batch."""
    config = AutoConfig.for_model("big_bird", vocab_size=800, hidden_size=32, num_hidden_layers=1,
                                  num_attention_heads=2, intermediate_size=64, max_position_embeddings=256,
                                  block_size=8, num_random_blocks=1, pad_token_id=0, attention_type="block_sparse")
    AutoModel.from_config(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny("bert")).save_pretrained(tmp_path)
    model, tokenizer = loaded(tmp_path, RTE, max_length=256)
    long = ["a row of words " * 30]  # sparse attention takes at least 88 tokens with these sizes
    first = answers(model, tokenizer, long)
    louder(model)
    in_batch_as_alone(model, tokenizer)
    again, _ = loaded(tmp_path, RTE, max_length=256)
    assert model.config.attention_type == "original_full"
    assert torch.equal(answers(again, tokenizer, long), first)


@pytest.mark.parametrize(("keys", "words"), [
    (ASKED | FLASH, ["output_attentions", "'eager'"]),
    ({"position_embedding_type": "relative_key_query"}, ["relative_key_query positions", "no longer has for a bert"]),
    ({"use_return_dict": False}, ["use_return_dict", "or remove that key"]),
    ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, ["quantised", "float32"])])
def test_what_cannot_be_is_refused(copied, keys, words):
    message = refused(edit(copied("bert"), **keys))
    assert all(word in message for word in words)
