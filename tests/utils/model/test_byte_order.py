"""Files that begin with a byte-order mark: a model's, a record's; a study's is in tests/sweeps/test_run.py."""

import codecs
import json
import shutil

import torch

from tests.loading import loaded
from tests.tiny import RTE, tiny_once
from utils.model.byte_order import without_marks
from utils.record.runlog import read_json


def test_a_model_whose_json_files_have_marks_is_the_same_model(tmp_path):
    plain = tiny_once(tmp_path, "bert")
    marked = shutil.copytree(plain, tmp_path / "marked")
    for file in marked.glob("*.json"):
        file.write_bytes(codecs.BOM_UTF8 + file.read_bytes())
    (left, words), (right, others) = (loaded(folder, RTE, seed=3, max_length=16) for folder in (plain, marked))
    assert all(torch.equal(left.state_dict()[name], tensor) for name, tensor in right.state_dict().items())
    assert (right.config.name_or_path, others.name_or_path) == (str(marked), str(marked))
    assert words("a river").input_ids == others("a river").input_ids
    assert all(file.read_bytes().startswith(codecs.BOM_UTF8) for file in marked.glob("*.json"))  # as it was


def test_what_has_no_mark_is_read_where_it_lies(tmp_path):
    plain = str(tiny_once(tmp_path, "bert"))
    for name in (plain, "owner/name"):
        with without_marks(name) as path:
            assert path == name


def test_a_record_that_an_editor_has_marked_is_read(tmp_path):
    (tmp_path / "config.json").write_bytes(codecs.BOM_UTF8 + json.dumps({"flags": {}}).encode())
    assert read_json(tmp_path / "config.json") == {"flags": {}}
