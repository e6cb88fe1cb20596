"""A model with adapters on disk: merged for transformers, alone for PEFT; both answer as it does."""

import json

import peft
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig

from tests.loading import KIND_NAMES, KINDS, answers, close, loaded, plain
from tests.tiny import tiny_once
from utils.config import RunConfig
from utils.model import loading
from utils.model.adapted import plain_state, save_adapter
from utils.model.trainable import choose_trained
from utils.vectors.parameters import ParameterVector


@pytest.mark.parametrize("targets", ["", "all-linear"], ids=["", "all-linear"])
@pytest.mark.parametrize(("family", "spec", "words"), KINDS, ids=KIND_NAMES)
def test_both_folders_answer_as_the_model_does(tmp_path_factory, tmp_path, family, spec, words, targets):
    base = tiny_once(tmp_path_factory.getbasetemp(), family)
    model, tokenizer = loaded(base, spec, text_to_text=words)
    choose_trained(model, RunConfig.of(train="lora", lora_r="4", lora_targets=targets))
    vector = ParameterVector(model)
    vector.values += torch.randn(vector.size, generator=torch.Generator().manual_seed(3)) / 20
    own = answers(model, tokenizer)
    loading.save(model, tokenizer, tmp_path / "model")
    save_adapter(model, tokenizer, tmp_path / "adapter", str(base), "")
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["adapter", "model"]
    merged, _ = plain(tmp_path / "model", spec, words)
    close(answers(merged, tokenizer), own)
    assert merged.state_dict().keys() == loaded(base, spec, text_to_text=words)[0].state_dict().keys()

    config = AutoConfig.from_pretrained(tmp_path / "adapter")
    bare = type(model).from_pretrained(base, config=config)
    whole = peft.PeftModel.from_pretrained(bare, tmp_path / "adapter").eval()
    close(answers(whole.get_base_model(), tokenizer), own)
    again, _ = loaded(tmp_path / "adapter", spec, text_to_text=words, trained=True)
    close(answers(again, tokenizer), own)
    assert sum(tensor.numel() for tensor in load_file(tmp_path / "adapter" / "adapter_model.safetensors").values()) \
        == vector.n_parameters


def test_the_same_adapters_are_the_same_files_and_say_what_they_stand_on(tmp_path_factory, tmp_path):
    model, tokenizer = loaded(tiny_once(tmp_path_factory.getbasetemp(), "bert"))
    choose_trained(model, RunConfig.of(train="lora"))
    for name in ("one", "other"):
        save_adapter(model, tokenizer, tmp_path / name, "tiny/bert", "v1")
        assert (tmp_path / name / "adapter_config.json").read_bytes() \
            == (tmp_path / "one" / "adapter_config.json").read_bytes()
    options = json.loads((tmp_path / "one" / "adapter_config.json").read_text())
    assert (options["base_model_name_or_path"], options["revision"]) == ("tiny/bert", "v1")
    assert options["modules_to_save"] == ["bert.pooler.dense", "classifier"] and options["inference_mode"]
    assert options["target_modules"] == sorted(options["target_modules"])


def test_a_model_without_adapters_is_as_it_is(tmp_path_factory):
    model, _ = loaded(tiny_once(tmp_path_factory.getbasetemp(), "bert"))
    before = model.state_dict()
    state = plain_state(model)
    assert list(state) == list(before) and all(state[key].data_ptr() == before[key].data_ptr() for key in state)
