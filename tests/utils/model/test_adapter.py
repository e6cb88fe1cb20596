"""A PEFT adapter as a model: merged, it answers as PEFT has it answer; what does not fit is never passed over."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertModel

from tests.adapters import adapted, bert_adapter
from tests.loading import answers, close, edit, loaded, refused
from tests.tiny import QASC
from utils.errors import quoted
from utils.model import loading


def change(folder: Path, **tensors: torch.Tensor | None) -> Path:
    """Put tensors into an adapter's weights by what their names end in; None takes one out. Returns the folder."""
    whole = load_file(folder / "adapter_model.safetensors")
    for end, tensor in tensors.items():
        key = next((key for key in whole if key.endswith(end)), end)
        whole.pop(key, None)
        whole |= {} if tensor is None else {key: tensor}
    save_file(whole, folder / "adapter_model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.parametrize(("family", "kind", "options"), [
    ("bert", "LORA", {"target_modules": ["query", "value"], "modules_to_save": ["classifier", "pooler"]}),
    ("bert", "LORA", {"target_modules": "all-linear", "modules_to_save": ["classifier"], "use_dora": True, "r": 3}),
    ("bert", "LORA", {"target_modules": ["query", "dense"], "exclude_modules": ["pooler.dense"], "use_rslora": True,
                      "modules_to_save": ["classifier"], "bias": "all", "rank_pattern": {"query": 2}}),
    ("bert", "LORA", {"target_modules": ["word_embeddings"], "modules_to_save": ["classifier"]}),
    ("bert", "LOHA", {"target_modules": ["query"], "modules_to_save": ["classifier"]}),
    ("bert", "LOKR", {"target_modules": ["query"], "modules_to_save": ["classifier"]}),
    ("bert", "IA3", {"target_modules": ["key", "value", "output.dense"], "feedforward_modules": ["output.dense"],
                     "modules_to_save": ["classifier"]}),
    ("albert", "LORA", {"target_modules": ["query"], "modules_to_save": ["classifier"]}),
    ("distilbert", "LORA", {"target_modules": ["q_lin"], "modules_to_save": ["classifier", "pre_classifier"]}),
    ("roberta", "LORA", {"task_type": "SEQ_CLS"}),
    ("gpt2", "LORA", {"modules_to_save": ["score"], "init_lora_weights": "gaussian"}),
    ("bart", "LORA", {"modules_to_save": ["classification_head"]}),
    ("t5", "LORA", {})], ids=lambda value: value if isinstance(value, str) else "")
def test_a_merged_adapter_answers_as_peft_has_it_answer(tiny, tmp_path, family, kind, options):
    whole = adapted(tiny(family), tmp_path / "adapter", kind=kind, **options)
    model, tokenizer = loaded(tmp_path / "adapter")
    whole.get_base_model().config.pad_token_id = tokenizer.pad_token_id  # GPT-2's has none
    close(answers(model, tokenizer), answers(whole.get_base_model(), tokenizer))
    plain, _ = loaded(tiny(family))
    assert type(model) is type(plain) and not hasattr(model, "peft_config") and not model.training
    assert {name: p.requires_grad for name, p in model.named_parameters()} == {
        name: p.requires_grad for name, p in plain.named_parameters()}
    loading.save(model, tokenizer, tmp_path / "run" / "model")
    again, _ = loaded(tmp_path / "run", trained=family != "t5")
    assert all(torch.equal(again.state_dict()[key], value) for key, value in model.state_dict().items())


def test_multiple_choice(tiny, tmp_path):
    whole = adapted(tiny("bert"), tmp_path / "adapter", QASC, target_modules=["query"], modules_to_save=["classifier"])
    model, tokenizer = loaded(tmp_path / "adapter", QASC, trained=True)
    close(answers(model, tokenizer), answers(whole.get_base_model(), tokenizer))


def test_where_the_head_comes_from(tiny, tmp_path, caplog):
    caplog.set_level("INFO", logger="lm")
    folder = bert_adapter(tiny, tmp_path)
    loaded(folder, trained=True)
    assert "the outputs of its head have no names: taken for entailment, not_entailment" in caplog.text
    headless = bert_adapter(tiny, tmp_path, modules_to_save=None)
    assert "has no head that was trained on rte: new head drawn" in refused(headless, trained=True)
    assert torch.equal(loaded(headless)[0].classifier.weight, loaded(headless)[0].classifier.weight)
    # older versions of PEFT do not say that it is there
    unnamed = edit(bert_adapter(tiny, tmp_path), "adapter_config.json", modules_to_save=None)
    own, _ = loaded(unnamed, trained=True)
    key = "base_model.model.classifier.weight"
    assert torch.equal(own.classifier.weight, load_file(unnamed / "adapter_model.safetensors")[key])
    # a config.json beside it says what the outputs are
    folder = bert_adapter(tiny, tmp_path)
    natural, _ = loaded(folder)
    config = json.loads((tiny("bert") / "config.json").read_text())
    for labels in (["not_entailment", "entailment"], ["good", "bad"]):
        (folder / "config.json").write_text(json.dumps(config | {"id2label": dict(enumerate(labels))}))
        model, _ = loaded(folder)
        if "good" in labels:
            assert "its head is for good, bad, not for entailment, not_entailment: drawn anew" in caplog.text
            assert not torch.equal(model.classifier.weight, natural.classifier.weight)
        else:
            assert torch.equal(model.classifier.weight, natural.classifier.weight.flip(0))


def test_a_head_of_another_task_is_drawn_anew(tiny, tmp_path, caplog):
    folder = bert_adapter(tiny, tmp_path)
    natural, _ = loaded(folder)
    caplog.set_level("INFO", logger="lm")
    other, _ = loaded(change(folder, **{"classifier.weight": torch.ones(3, 32), "classifier.bias": torch.ones(3)}))
    assert "drawn anew from the seed: classifier.bias, classifier.weight" in caplog.text
    assert other.classifier.weight.shape == (2, 32) and not (other.classifier.weight == 1).any()
    query = "bert.encoder.layer.1.attention.self.query.weight"
    assert torch.equal(other.state_dict()[query], natural.state_dict()[query])
    loaded(change(folder, **{"base_model.model.cls.predictions.bias": torch.ones(2)}))
    assert "its weights for other tasks are left out: cls.predictions.bias" in caplog.text
    assert "has no head that was trained" in refused(folder, trained=True)


def test_the_tokenizer_is_the_adapter_s_if_it_has_one(tiny, tmp_path):
    folder = bert_adapter(tiny, tmp_path)
    _, tokenizer = loaded(folder)
    assert tokenizer.get_vocab() == loaded(tiny("bert"))[1].get_vocab()
    tokenizer.add_tokens(["zzzz"])
    tokenizer.save_pretrained(folder)
    assert "has more tokens than the model has embeddings" in refused(folder)


def test_random_weights_need_none(tiny, tmp_path):
    folder = bert_adapter(tiny, tmp_path)
    (folder / "adapter_model.safetensors").unlink()
    model, _ = loaded(folder, random_init=True)
    assert torch.equal(model.classifier.weight, loaded(tiny("bert"), random_init=True)[0].classifier.weight)


@pytest.mark.parametrize(("options", "words"), [
    ({"base_model_name_or_path": None}, "does not say which model it was made for"),
    ({"base_model_name_or_path": "/no/where"},
     "a PEFT adapter of '/no/where', which is not at hand: --model /no/where: no model there"),
    ({"base_model_name_or_path": "{folder}"}, "which is an adapter itself"),
    ({"peft_type": "PREFIX_TUNING"}, "the type 'PREFIX_TUNING' does not merge"),
    ({"peft_type": ["LORA"]}, "does not merge into its model"),
    ({"target_modules": ["no_such"]}, "peft does not take its adapter_config.json for a bert model"),
    ({"r": "many"}, "--model"),
    ({"r": 10**9}, "has the shape [4, 32], and its base"),
    ({"target_modules": ["query"]}, "has no place for 4 of its weights, first bert"),
    ({"target_modules": ["query", "value", "key"]}, "lacks 4 of its weights, first"),
    ({"init_lora_weights": "pissa"}, "init_lora_weights 'pissa' in its"),
    ({"megatron_config": {"a": 1}, "megatron_core": "antigravity"}, "cannot be merged"),
    ({"corda_config": {"cache_file": "x.pt"}}, "corda_config {'cache_file': 'x.pt'} in its"),
    ({"of_the_future": 3}, "of_the_future 3 in its adapter_config.json")])
def test_options_that_do_not_fit_are_one_line(tiny, tmp_path, options, words):
    folder = bert_adapter(tiny, tmp_path)
    there = {key: str(folder) if value == "{folder}" else value for key, value in options.items()}
    message = refused(edit(folder, "adapter_config.json", **there))
    assert message.startswith("--model ") and words in message


QUERY = "0.attention.self.query.lora_"


@pytest.mark.parametrize(("tensors", "words"), [
    ({f"{QUERY}A.weight": None}, "lacks 1 of its weights, first bert.encoder"),
    ({"classifier.bias": None}, "lacks 1 of its weights, first classifier.bias"),
    ({"base_model.model.bert.extra.lora_A.weight": torch.ones(2)}, "has no place for 1 of its weights"),
    ({f"{QUERY}B.weight": torch.ones(32, 5)},
     "query.lora_B.weight in adapter_model.safetensors has the shape [32, 5], and its base"),
    ({"base_model.model.bert.embeddings.word_embeddings.weight": torch.ones(9, 32)}, "has the shape [9, 32]")])
def test_weights_that_do_not_fit_are_one_line(tiny, tmp_path, tensors, words):
    message = refused(change(bert_adapter(tiny, tmp_path), **tensors))
    assert message.startswith("--model ") and words in message


def test_files_that_are_not_whole_are_one_line(tiny, tmp_path):
    folder = bert_adapter(tiny, tmp_path)
    weights = folder / "adapter_model.safetensors"
    weights.rename(folder / "adapter_model.bin")
    assert "its weights are a pickle" in refused(folder) and "writes a adapter_model" not in refused(folder)
    (folder / "adapter_model.bin").unlink()
    assert "its adapter_model.safetensors is not there" in refused(folder)
    weights.write_bytes(b"none")
    assert refused(folder).startswith(f"--model {folder}: adapter_model.safetensors cannot be read (")
    assert refused(folder).endswith("give the whole file")
    (folder / "adapter_config.json").write_text("[1]")
    assert "adapter_config.json is no JSON object; mend" in refused(folder)


def test_another_base_is_what_is_named(tiny, tmp_path):
    folder, electra, wide = bert_adapter(tiny, tmp_path), str(tiny("electra")), str(tmp_path / "wide")
    whole, tokenizer = loaded(folder)[0].config, loaded(folder)[1]
    tokenizer.save_pretrained(folder)
    whole.save_pretrained(folder)
    edit(folder, "adapter_config.json", base_model_name_or_path=electra)
    assert refused(folder) == f"--model {folder}: is an adapter of a bert model, and its base {quoted(electra)} is a " \
        "electra model: give the base that it was made for"
    whole.hidden_size = 64
    BertModel(whole).save_pretrained(wide)
    edit(folder, "adapter_config.json", base_model_name_or_path=wide)
    assert f"{folder}: the weights of its base {quoted(wide)} are not those of the bert model" in refused(folder)


def test_embeddings_that_were_saved_with_it_are_its_own(tiny, tmp_path):
    folder = bert_adapter(tiny, tmp_path)
    own = torch.randn(loaded(folder)[0].bert.embeddings.word_embeddings.weight.shape)
    change(folder, **{"base_model.model.bert.embeddings.word_embeddings.weight": own})
    assert torch.equal(loaded(folder)[0].bert.embeddings.word_embeddings.weight, own)


def test_an_adapter_of_the_hub(hub, tiny, tmp_path, endpoint):
    folder = bert_adapter(tiny, tmp_path)
    there, _ = loaded(folder)
    edit(folder, "adapter_config.json", base_model_name_or_path="tiny/bert")
    hub.add_model("tiny/bert", tiny("bert"))
    commit = hub.add_model("tiny/adapter", folder)
    model, _ = loaded("tiny/adapter", flag="load_model")
    assert all(torch.equal(there.state_dict()[key], value) for key, value in model.state_dict().items())
    assert loading.commit_of(model) == commit
    edit(folder, "adapter_config.json", revision="v9")
    hub.add_model("tiny/other", folder)
    assert "which is not at hand: --model tiny/bert@v9: " in refused("tiny/other")


def test_minilm_by_its_name_on_the_hub_is_the_packaged_one(tiny, tmp_path):
    adapted(Path(loading.resolve("minilm")), tmp_path / "adapter", target_modules=["query"])
    edit(tmp_path / "adapter", "adapter_config.json", base_model_name_or_path="sentence-transformers/all-MiniLM-L6-v2")
    assert loaded(tmp_path / "adapter")[0].config.num_hidden_layers == 6
