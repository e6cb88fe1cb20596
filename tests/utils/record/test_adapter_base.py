"""What a run's adapters stand on, as their files name it, and when no folder has it."""

from pathlib import Path

import pytest

from tests.adapters import bert_adapter
from tests.loading import loaded
from utils.config import RunConfig
from utils.record.adapter_base import Base, base_of


def test_a_folder_and_minilm(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tiny("bert").parent)
    assert base_of(RunConfig.of(train="lora", model="bert"), loaded("bert")[0]) == Base(str(tiny("bert")))
    assert base_of(RunConfig.of(train="lora"), loaded("minilm")[0]) == Base("sentence-transformers/all-MiniLM-L6-v2")
    assert base_of(RunConfig.of(train="head", model="bert"), loaded("bert")[0]) is None


def test_a_model_of_the_hub_at_its_commit(hub, tiny, endpoint):
    commit = hub.add_model("tiny/bert", tiny("bert"))
    for name in ("tiny/bert", f"tiny/bert@{commit}"):
        assert base_of(RunConfig.of(train="lora", load_model=name), loaded(name)[0]) == Base("tiny/bert", commit)


@pytest.mark.parametrize(("flags", "words"), [
    ({"random_init": True}, "--random_init has drawn their base"),
    ({"model": "{adapter}"}, "their base is an adapter and its base, merged")])
def test_a_base_that_no_folder_has_is_said(tiny, tmp_path, caplog, flags, words):
    caplog.set_level("INFO", logger="lm")
    adapter = bert_adapter(tiny, tmp_path)
    flags = {key: str(adapter) if value == "{adapter}" else value for key, value in flags.items()}
    model, _ = loaded(flags.get("model", tiny("bert")))
    assert base_of(RunConfig.of(train="lora", **flags), model) is None
    assert f"no adapter/: {words}" in caplog.text and Path(model.config.name_or_path).exists()
