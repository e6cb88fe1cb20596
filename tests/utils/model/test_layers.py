"""A model's first layers: in every family the checkpoint's own weights, and the answers of the model cut by hand."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoTokenizer

from tests.adapters import bert_adapter
from tests.loading import KIND_NAMES, KINDS, answers, close, edit, loaded, plain, refused
from tests.tiny import RTE
from utils.model import loading

LISTS = {"bert": ["encoder.layer"], "electra": ["encoder.layer"], "roberta": ["encoder.layer"],
         "xlm-roberta": ["encoder.layer"], "deberta-v2": ["encoder.layer"], "distilbert": ["transformer.layer"],
         "bart": ["encoder.layers", "decoder.layers"], "gpt2": ["h"], "t5": ["encoder.block", "decoder.block"],
         "mt5": ["encoder.block", "decoder.block"], "albert": [],  # one layer, as often as its configuration says
         "mpnet": ["encoder.layer"], "xlnet": ["layer"], "longformer": ["encoder.layer"], "modernbert": ["layers"],
         "llama": ["layers"], "qwen3": ["layers"], "opt": ["decoder.layers"]}
SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64,
         "pad_token_id": 0, "vocab_size": 800}
FURTHER = {"mpnet": {}, "xlnet": {"d_inner": 64, "d_head": 16}, "modernbert": {}, "llama": {}, "opt": {
    "ffn_dim": 64, "word_embed_proj_dim": 32}, "qwen3": {"head_dim": 16, "num_key_value_heads": 2},
    "longformer": {"attention_window": [4, 8, 4], "max_position_embeddings": 130}}


def cut_by_hand(model, family: str, n: int):
    """Take the layers after the first n out of a whole model."""
    for name in LISTS[family]:
        layers = (model if "t5" in family else model.base_model).get_submodule(name)
        del layers[n:]
    model.config.num_hidden_layers = n  # for ALBERT, and for what runs over it
    return model


def made(family: str, folder, tokenizer, **sizes):
    """Write a model without a head of any family of transformers, beside a tokenizer of another's; return the folder.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModel.from_config(AutoConfig.for_model(family, **SIZES | sizes)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("family", "spec", "words"), KINDS, ids=KIND_NAMES)
def test_the_first_layers_answer_as_the_whole_model_cut_by_hand(tiny, tmp_path, family, spec, words):
    wanted = {"spec": spec, "text_to_text": words and family == "bart"}
    model, tokenizer = loaded(tiny(family), layers=1, **wanted)
    whole, _ = loaded(tiny(family), **wanted)
    expected = answers(cut_by_hand(whole, family, 1), tokenizer)
    assert torch.equal(answers(model, tokenizer), expected)
    loading.save(model, tokenizer, tmp_path)
    saved, its = plain(tmp_path, spec, words)
    close(answers(saved, its), expected)
    again, _ = loaded(tmp_path, layers=1, **wanted)  # as a worker has it, whose skeleton is cut
    for key, value in model.state_dict().items():
        assert torch.equal(saved.state_dict()[key], value) and torch.equal(again.state_dict()[key], value), key
    assert "has 1 layer; give 1, or 0 for all" in refused(tmp_path, layers=2, **wanted)


@pytest.mark.parametrize("family", FURTHER)
def test_further_families(tiny, tmp_path, family):
    folder = made(family, tmp_path / "whole", tiny("bert"), **FURTHER[family])
    model, tokenizer = loaded(folder, layers=2)
    whole = cut_by_hand(loaded(folder)[0], family, 2)
    body = model.base_model.state_dict()
    assert all(torch.equal(value, body[key]) for key, value in whole.base_model.state_dict().items())
    whole.load_state_dict(model.state_dict())  # ModernBERT draws a new head by the number of its layers
    assert torch.equal(answers(model, tokenizer), answers(whole, tokenizer))
    loading.save(model, tokenizer, tmp_path / "cut")
    close(answers(*plain(tmp_path / "cut", RTE, False)), answers(model, tokenizer))


def test_what_is_left_out_is_counted(tiny, caplog):
    caplog.set_level("INFO", logger="lm")
    folder = tiny("bert")
    for wanted in ({"layers": 1}, {"layers": 2}, {"layers": 1, "random_init": True}):
        model, _ = loaded(folder, **wanted)
        assert len(model.bert.encoder.layer) == wanted["layers"] and loading.layers_before(model) == 2
    said = [record.message for record in caplog.records if "layers" in record.message]
    assert said == [f"{folder}: its first 1 of 2 layers; 16 tensors of the others are left out",
                    f"{folder}: its first 1 of 2 layers"]


def test_a_head_that_is_there_stays_and_what_the_kept_layers_lack_is_an_error(tiny, copied, tmp_path):
    model, tokenizer = loaded(tiny("bert"), seed=3)
    loading.save(model, tokenizer, tmp_path)
    cut, _ = loaded(tmp_path, layers=1, trained=True)
    assert torch.equal(cut.classifier.weight, model.classifier.weight)
    folder = copied("bert")
    weights = load_file(folder / "model.safetensors")
    for name, left in (("1", "first 1 of 2"), ("0", "")):
        save_file({key: value for key, value in weights.items() if f"layer.{name}.output.dense.bias" not in key},
                  folder / "model.safetensors", metadata={"format": "pt"})
        if left:
            loaded(folder, layers=1)
    assert "1 missing or misshapen, first bert.encoder.layer.0.output.dense.bias" in refused(folder, layers=1)
    add = weights | {"encoder.layer.0.extra.weight": torch.ones(2)}
    save_file(add, folder / "model.safetensors", metadata={"format": "pt"})
    assert "no place for 1 of its weights" in refused(folder, layers=1)


def test_an_adapter_s_first_layers(tiny, tmp_path):
    folder = bert_adapter(tiny, tmp_path)
    model, tokenizer = loaded(folder, layers=1)
    whole, _ = loaded(folder)
    plain_base, _ = loaded(tiny("bert"), layers=1)
    expected = answers(cut_by_hand(whole, "bert", 1), tokenizer)
    assert torch.equal(answers(model, tokenizer), expected)
    assert not torch.allclose(answers(plain_base, tokenizer), expected, atol=1e-3)


def test_families_that_cannot_be_cut_are_refused(tiny, copied, tmp_path):
    assert f"--layers 3: {tiny('bert')} has 2 layers; give 1 to 2, or 0 for all" == refused(tiny("bert"), layers=3)
    message = refused(edit(copied("albert"), num_hidden_groups=2), layers=1)
    assert "(num_hidden_groups 2), and would be another model" in message
    sizes = {"block_sizes": [1, 1], "hidden_size": 32, "n_head": 2, "d_head": 16, "d_inner": 64, "vocab_size": 800}
    for family, own in (("funnel", sizes), ("gpt_neo", {"attention_types": [[["global", "local"], 1]], "num_layers": 2,
                                                        "hidden_size": 32, "num_heads": 2, "vocab_size": 800})):
        folder = tmp_path / family
        AutoConfig.for_model(family, **own).save_pretrained(folder)
        AutoTokenizer.from_pretrained(tiny("bert")).save_pretrained(folder)
        assert f"{folder}, a {family} model, does not take another number of layers" in refused(folder, layers=1,
                                                                                     random_init=True)
