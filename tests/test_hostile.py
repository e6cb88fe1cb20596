"""Hostile files: what would run code if it were loaded, beside what is never written in this project."""

import json
import os
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig

from tests.conftest import ROOT
from tests.loading import loaded
from tests.tiny import RTE, tiny_once
from tests.toy import toy_table
from utils.data import tokens
from utils.data.table import open_table
from utils.errors import UserError
from utils.model import loading

FORBIDDEN = (r"\b(import|from)\s+(pickle|cloudpickle|dill|joblib|shelve|marshal)\b", r"\bpickle\.", r"\btorch\.load\(",
             r"allow_pickle\s*=\s*True", r"trust_remote_code\s*=\s*True", r"weights_only\s*=\s*False",
             r"\byaml\.load\(",
             r"(?<![.\w])(eval|exec)\(", r"shell\s*=\s*True", r"\bos\.(system|popen)\(")
#: these name what is refused
TALKING = ("tests/test_hostile.py", "tests/test_bad_input.py", "tests/utils/model/test_loading.py",
           "tests/utils/model/test_convert.py")


class Trap:
    """A value whose pickle makes a folder when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def marker(tmp_path):
    """The folder that a sprung trap makes; it must not be there at the end."""
    yield tmp_path / "sprung"
    assert not (tmp_path / "sprung").exists()


@pytest.fixture
def folder(tmp_path, tmp_path_factory):
    """A copy of the tiny BERT."""
    return Path(shutil.copytree(tiny_once(tmp_path_factory.getbasetemp(), "bert"), tmp_path / "model"))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(name: Path) -> str:
    with pytest.raises(UserError) as raised:
        loaded(name, RTE, max_length=32)
    return str(raised.value)


def test_no_line_of_the_project_unpickles_or_runs_what_it_reads():
    files = [path for folder in ("*.py", "[!.]*/**/*.py") for path in ROOT.glob(folder)
             if str(path.relative_to(ROOT)) not in TALKING]
    assert len(files) > 60
    found = [f"{path.relative_to(ROOT)}: {line.strip()}" for path in files
             for line in path.read_text(encoding="utf-8").splitlines() if re.search("|".join(FORBIDDEN), line)]
    line, = found  # the one process that has shut itself in
    assert line.startswith("utils/model/unpickle.py: ") and "weights_only=True" in line


def test_the_trap_works(tmp_path):
    content = pickle.dumps(Trap(tmp_path / "sprung"))
    pickle.loads(content)
    assert (tmp_path / "sprung").is_dir()


def test_a_trapped_checkpoint_is_refused_unread(folder, marker):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(marker)))
    message = refused(folder)
    assert "a pickle" in message and "refused" in message and "utils.model.convert NAME OUT" in message


@pytest.mark.parametrize("there", ["beside safetensors", "as an adapter", "in an index"])
def test_a_trapped_pickle_elsewhere_in_the_folder_is_never_read(folder, marker, there):
    trap = pickle.dumps(Trap(marker))
    for name in ("pytorch_model.bin", "adapter_model.bin", "training_args.bin", "optimizer.pt"):
        (folder / name).write_bytes(trap)
    if there == "as an adapter":
        edit(folder / "config.json", transformers_weights="adapter_model.bin")
        assert "must name a .safetensors file" in refused(folder)
    elif there == "in an index":
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(json.dumps(
            {"metadata": {}, "weight_map": {"embeddings.word_embeddings.weight": "pytorch_model.bin"}}))
        assert "must name .safetensors files" in refused(folder)
    else:
        loaded(folder, RTE, max_length=32)


def test_transformers_itself_meets_no_pickle_while_a_model_loads(folder, marker, monkeypatch):
    """An index lists a pickle, as a hub model's may, which no check of a local folder has seen: it is not read."""
    (folder / "model.safetensors").unlink()
    torch.save({"x": Trap(marker)}, folder / "pytorch_model.bin")
    (folder / "model.safetensors.index.json").write_text(json.dumps(
        {"metadata": {}, "weight_map": {"embeddings.word_embeddings.weight": "pytorch_model.bin"}}))
    monkeypatch.setattr(loading, "check_weight_files", lambda name, folder: None)
    assert "a pickle" in refused(folder)
    assert torch.load.__module__ == "torch.serialization"  # as it was


@pytest.mark.parametrize("model_type", ["bert", "their-own"])
def test_a_models_own_code_is_never_run(folder, marker, model_type):
    """A known architecture loads without it; another is refused."""
    (folder / "theirs.py").write_text(f"import os\nos.mkdir({str(marker)!r})\nclass Config: pass\n")
    edit(folder / "config.json", model_type=model_type, auto_map={
        "AutoConfig": "theirs.Config", "AutoModel": "theirs.Config",
        "AutoModelForSequenceClassification": "theirs.Config"})
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["theirs.Config", "theirs.Config"]})
    if model_type == "bert":
        model, _ = loaded(folder, RTE, max_length=32)
        assert type(model).__module__.startswith("transformers.models.bert")
    else:
        assert "no model's code is run" in refused(folder)


def test_a_pickled_array_in_the_token_cache_is_made_anew_unread(folder, marker, tmp_path):
    table, tokenizer = toy_table(tmp_path / "data", 12, 6), loaded(folder, RTE, max_length=32)[1]

    def opened():
        return tokens.open_tokens(table, "train", tokenizer, max_length=32, text_to_text=False,
                                  cache=table.folder / "tokens")

    ids = np.array(opened().ids)
    [cache] = (table.folder / "tokens").iterdir()
    meta = json.loads((cache / "meta.json").read_text())
    for name in meta["crc32"]:
        np.save(cache / f"{name}.npy", np.array([Trap(marker)], dtype=object), allow_pickle=True)
        (cache / "meta.json").write_text(json.dumps(  # a trap has the right checksums, too
            {**meta, "crc32": {other: tokens._checksum(cache / f"{other}.npy") for other in meta["crc32"]}}))
        assert np.array_equal(opened().ids, ids) and list((table.folder / "tokens").iterdir()) == [cache]


def test_a_table_reads_no_file_outside_its_folder(tmp_path):
    """Whatever a card names: nothing there is opened (it is a trap that would wait for ever)."""
    table = toy_table(tmp_path / "data", 12, 6)
    os.mkfifo(tmp_path / "outside.parquet")
    for name in ("../../outside.parquet", str(tmp_path / "outside.parquet")):
        card = json.loads((table.folder / "card.json").read_text())
        card["splits"]["train"]["files"]["all"] = name
        (table.folder / "card.json").write_text(json.dumps(card))
        with pytest.raises(UserError, match="card.json is no table's card"):
            open_table(table.folder, table.spec)


def test_what_a_run_saves_has_no_pickle(folder, tmp_path):
    model, tokenizer = loaded(folder, RTE, max_length=32)
    loading.save(model, tokenizer, tmp_path / "saved")
    assert {path.suffix for path in (tmp_path / "saved").iterdir()} <= {".json", ".safetensors", ".txt", ".jinja"}
    assert AutoConfig.from_pretrained(tmp_path / "saved").model_type == "bert"
