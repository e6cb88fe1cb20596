"""What a run's adapters stand on, as their files name it, and when the run itself writes that."""

import numpy as np
import peft
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from tests.adapters import bert_adapter
from tests.loading import answers, close, loaded
from utils.config import RunConfig
from utils.model.trainable import choose_trained
from utils.record.adapter_base import Base, base_of
from utils.record.averaged_model import AveragedModel
from utils.vectors.parameters import ParameterVector


def test_a_folder_and_minilm(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tiny("bert").parent)
    assert base_of(RunConfig.of(train="lora", model="bert"), loaded("bert")[0]) == Base(str(tiny("bert")))
    assert base_of(RunConfig.of(train="lora"), loaded("minilm")[0]) == Base("sentence-transformers/all-MiniLM-L6-v2")
    assert base_of(RunConfig.of(train="head", model="bert"), loaded("bert")[0]) is None
    assert base_of(RunConfig.of(train="lora", model="bert", save_model="none"), loaded("bert")[0]) is None


def test_a_model_of_the_hub_at_its_commit(hub, tiny, endpoint):
    commit = hub.add_model("tiny/bert", tiny("bert"))
    for name in ("tiny/bert", f"tiny/bert@{commit}"):
        assert base_of(RunConfig.of(train="lora", load_model=name), loaded(name)[0]) == Base("tiny/bert", commit)


class Vectors:
    """A global vector that is `values` after each round."""

    values = 0.0

    def read(self, out):
        out[:] = self.values


@pytest.mark.parametrize(("flags", "words"), [
    ({"random_init": True}, "--random_init has drawn their base"),
    ({"layers": 1}, "--layers 1 has cut their base"),
    ({"model": "{adapter}"}, "their base is an adapter and its base, merged"),
    ({"strategy": "flora"}, "--strategy flora changes their base")])
def test_a_base_that_no_other_folder_has_is_written_beside_the_adapters(tiny, tmp_path, caplog, flags, words):
    caplog.set_level("INFO", logger="lm")
    adapter = bert_adapter(tiny, tmp_path)
    config = RunConfig.of(train="lora", **{key: str(adapter) if value == "{adapter}" else value
                                           for key, value in flags.items()})
    model, tokenizer = loaded(config.model if "model" in flags else tiny("bert"), random_init=config.random_init,
                              layers=config.layers)
    choose_trained(model, config)
    base = base_of(config, model)
    assert base == Base("") and f"the run writes base/ beside adapter/, as no other folder has what adapters " \
        f"stand on: {words}" in caplog.text
    vectors = Vectors()
    averaged = AveragedModel(model, tokenizer, ParameterVector(model), vectors, base)
    first = averaged.vector.numpy().copy()
    for number in (1, 2):  # the later one replaces the earlier
        vectors.values = first + np.random.default_rng(number).normal(0, 0.1, first.shape).astype(np.float32)
        averaged.save(tmp_path / "run" / "best_model", number)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["best_adapter", "best_base", "best_model"]
    folder = tmp_path / "run" / "best_adapter"
    own = answers(model, tokenizer)
    bare = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "best_base",
                                                              config=AutoConfig.from_pretrained(folder))
    close(answers(peft.PeftModel.from_pretrained(bare, folder).eval(), tokenizer), own)
    again, _ = loaded(folder, trained=True)  # by the path in its adapter_config.json
    close(answers(again, tokenizer), own)
    plain, _ = loaded(tmp_path / "run" / "best_base")
    assert not torch.allclose(answers(plain, tokenizer), own, atol=1e-3)
