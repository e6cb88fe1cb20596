"""A model of pickled weights, from a folder and from a hub on loopback, becomes one that --model takes."""

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM

from tests.loading import edit, loaded, refused
from tests.tiny import tiny_once
from utils.model import convert


class Trap:
    """A value whose pickle makes a folder when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def changed(folder, change) -> None:
    """Write the pickle of a folder with what `change` returns for each name and weight."""
    found = torch.load(folder / convert.PICKLE, weights_only=True)
    torch.save({new: kept for name, weight in found.items() for new, kept in change(name, weight).items()},
               folder / convert.PICKLE)


@pytest.fixture
def model(folder):
    """The tiny BERT with its language model's head, whose decoder is the embeddings, in a file of old."""
    whole = AutoModelForMaskedLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    pickled = whole.state_dict() | {"bert.embeddings.position_ids": torch.arange(512)[None]}
    torch.save(pickled, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    return whole


@pytest.fixture
def folder(tmp_path):
    return tiny_once(tmp_path, "bert")


def same(name: Path, model) -> None:
    """Assert that a folder's model is this one, to the bit, by transformers and as --model."""
    again = AutoModelForMaskedLM.from_pretrained(name).state_dict()
    assert again.keys() == model.state_dict().keys()
    assert all(torch.equal(again[key], weight) for key, weight in model.state_dict().items())
    body = loaded(name)[0].state_dict()
    assert all(torch.equal(body[key], weight) for key, weight in model.state_dict().items() if key.startswith("bert."))


def test_a_folder(folder, model, tmp_path, capfd):
    words = refused(folder)
    assert f"{convert.PROGRAM} NAME OUT" in words
    assert convert.main([str(folder), str(tmp_path / "out")]) == 0
    same(tmp_path / "out", model)
    record = json.loads((tmp_path / "out" / convert.RECORD).read_text())
    assert record["source"] == str(folder) and record["left_out"] == ["bert.embeddings.position_ids"]
    assert record["tied"] == {"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
                              "cls.predictions.decoder.bias": "cls.predictions.bias"}
    assert record["sha256"] == {file: convert.sha256(place / file) for file, place in (
        ("pytorch_model.bin", folder), ("model.safetensors", tmp_path / "out"))}
    assert "1 tensor(s) of whole numbers left out" in capfd.readouterr().err
    assert convert.main([str(folder), str(tmp_path / "out")]) == 2
    assert f"OUT {tmp_path / 'out'}: is there already" in capfd.readouterr().err


def test_parts_on_the_hub(hub, endpoint, folder, model, tmp_path):
    (folder / "pytorch_model.bin").unlink()
    (folder / "README.md").write_text("A card.")
    state, names = model.state_dict(), list(model.state_dict())
    parts = {f"pytorch_model-0000{k + 1}-of-00002.bin": names[k::2] for k in range(2)}
    for file, some in parts.items():
        torch.save({name: state[name] for name in some}, folder / file)
    (folder / convert.INDEX).write_text(json.dumps(
        {"weight_map": {name: file for file, some in parts.items() for name in some}}))
    commit = hub.add_model("tiny/parts", folder, "v1")
    convert.convert("tiny/parts@v1", tmp_path / "out")
    same(tmp_path / "out", model)
    record = json.loads((tmp_path / "out" / convert.RECORD).read_text())
    assert record["commit"] == commit and {*parts} < record["sha256"].keys()
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "README.md", "config.json", "conversion.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


@pytest.mark.parametrize("spoil, words", [
    (lambda folder: torch.save({"x": Trap(folder / "sprung")}, folder / convert.PICKLE),
     "pytorch_model.bin asks for posix.mkdir, which is no tensor, and could be any code: refused; nothing is written"),
    (lambda folder: changed(folder, lambda key, weight: {f"x.{key}": weight}), "missing or misshapen, first em"),
    (lambda folder: changed(folder, lambda key, weight: {key: weight[:1]}), "missing or misshapen, first embeddings"),
    (lambda folder: changed(folder, lambda key, weight: {} if "layer.1" in key else {key: weight}),
     "16 missing or misshapen, first encoder.layer.1.attention.output.LayerNorm.bias"),
    (lambda folder: changed(folder, lambda key, weight: {key: weight, key.replace("layer.1", "layer.2"): weight + 1}),
     "has no place for 16 of its weights"),
    (lambda folder: changed(folder, lambda key, weight: {key: weight / (key[-19:] != "1.output.dense.bias")}),
     "encoder.layer.1.output.dense.bias holds numbers that are not finite"),
    (lambda folder: edit(folder, num_hidden_layers=10**7), "asks for 10,000,000 of num_hidden_layers, and 1,000 at "),
    (lambda folder: (folder / convert.PICKLE).write_bytes(b""), "no checkpoint of torch's (it is empty); nothing is"),
    (lambda folder: (folder / convert.PICKLE).write_bytes(pickle.dumps({"a": Trap(folder / "sprung")})),
     "no checkpoint of torch's (Unsupported operand 149); nothing is written"),
    (lambda folder: edit(folder, hidden_size=16), "'bert.embeddings.word_embeddings.weight' with "),
    (lambda folder: edit(folder, model_type="their-own"), "give a whole model"),
    (lambda folder: (folder / "model.safetensors").touch(), "has safetensors: nothing to convert"),
    (lambda folder: (folder / convert.PICKLE).rename(folder / "tf_model.h5"), "TensorFlow's or Flax's alone"),
    (lambda folder: (folder / convert.PICKLE).rename(folder / "model.pt"), "no pytorch_model.bin there"),
    (lambda folder: (folder / "config.json").unlink(), "no model there (no config.json)"),
    (lambda folder: (folder / convert.PICKLE).rename(folder / "pytorch_model-00001-of-00001.bin") and (
        folder / convert.INDEX).write_text('{"weight_map": {"a": "../pytorch_model.bin"}}'), "must name files like"),
    (lambda folder: (folder / convert.PICKLE).rename(folder / "x.bin") and (
        folder / convert.INDEX).write_text('{"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}'),
     "which is not there: give the whole model"),
    (lambda folder: (folder / convert.PICKLE).write_bytes(bytes(20_000_000)), "are more than its config.json asks for"),
])
def test_what_is_refused_is_one_line_and_leaves_nothing(folder, model, tmp_path, capfd, spoil, words):
    spoil(folder)
    before = sorted(tmp_path.rglob("*"))
    capfd.readouterr()
    assert convert.main([str(folder), str(tmp_path / "out")]) == 2
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith(f"convert: {folder}: ") and words in last and sorted(tmp_path.rglob("*")) == before


def test_a_wrong_command_line_is_one_line(capsys):
    with pytest.raises(SystemExit) as stop:
        convert.main([])
    said = "python -m utils.model.convert: the following arguments are required: NAME, OUT (see --help)\n"
    assert stop.value.code == 2 and capsys.readouterr() == ("", said)


def test_a_process_that_is_ended_says_so():
    with open(os.devnull, "rb") as nothing:
        assert "ended by signal 24, for time or memory" in convert.refusal(-24, nothing)


def test_a_result_is_not_taken_at_its_word(tmp_path):
    from safetensors.torch import save_file

    from utils.errors import UserError

    path, report = tmp_path / "model.safetensors", {"conversion": '{"tied": {}, "left_out": [], "not_finite": []}'}
    for content, metadata in (({"a": torch.ones(9)}, report), ({"a": torch.ones(2).half()}, report),
                              ({"a": torch.ones(2)}, {}), ({}, report),
                              ({"a": torch.ones(2)}, {"conversion": "[" * 100_000}),
                              ({"a": torch.ones(2)}, {"conversion": "[]"})):
        save_file(content, path, metadata)
        with pytest.raises(UserError, match="m: the process that reads it left"):
            convert.check_result("m", path, 8, 100)
    path.write_bytes(b"none")
    with pytest.raises(UserError, match="left no whole safetensors"):
        convert.check_result("m", path, 8, 100)
