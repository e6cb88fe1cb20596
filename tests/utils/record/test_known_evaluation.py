"""Round 0's evaluation, kept for runs that begin alike: what it is found by, and what is not taken for it."""

import os
import time
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.loading import loaded
from tests.tiny import tiny_once
from tests.toy import toy_table
from utils.config import RunConfig
from utils.data.batches import cut
from utils.data.dataset import TaskData
from utils.record import known_evaluation
from utils.record.known_evaluation import KnownEvaluation, evaluation_key


@pytest.fixture
def opened(tmp_path, tmp_path_factory):
    """Return opened(**flags): the toy task's rows of a run with these flags, their tokens open."""
    spec = toy_table(tmp_path).spec
    tokenizer = loaded(tiny_once(tmp_path_factory.getbasetemp(), "bert"), spec)[1]

    def rows(**flags):
        data = TaskData(RunConfig(data="rte", data_dir=str(tmp_path), **flags), spec)
        data.tokenise(tokenizer, False)
        return data

    return rows


def answers(data, parts=1):
    """Return made-up answers on each set, as so many workers give them."""
    whole = {each.name: np.random.default_rng(0).normal(size=(3, len(each.rows))) for each in data.evaluation_sets}
    return {each.name: [whole[each.name][:, [*np.concatenate(each.part(k, parts))]] for k in range(parts)]
            for each in data.evaluation_sets}


def assembled(data, found):
    return {each.name: each.assemble(found[each.name]).tolist() for each in data.evaluation_sets}


def test_what_was_written_is_read_whatever_the_number_of_workers(opened, tmp_path):
    data = opened(val_ratio=0.3)
    data.evaluation_sets = [replace(each, batches=tuple(cut(each.batches[0], 4))) for each in data.evaluation_sets]
    assert len(data.evaluation_sets) == 2
    known = KnownEvaluation(tmp_path / "evaluations", "key", data.evaluation_sets)
    assert known.read() is None
    known.write(answers(data, parts=2))
    assert assembled(data, known.read()) == assembled(data, answers(data))
    assert [path.name for path in known.path.parent.iterdir()] == ["key.safetensors"]


def test_what_is_old_is_removed_when_something_is_kept(opened, tmp_path):
    data = opened()
    for name, age in (("old.safetensors", 40), (".half", 40), ("new.safetensors", 1)):
        (tmp_path / "evaluations").mkdir(exist_ok=True)
        (tmp_path / "evaluations" / name).touch()
        os.utime(tmp_path / "evaluations" / name, (0, time.time() - age * 86400))
    KnownEvaluation(tmp_path / "evaluations", "key", data.evaluation_sets).write(answers(data))
    assert {path.name for path in (tmp_path / "evaluations").iterdir()} == {"new.safetensors", "key.safetensors"}


def test_a_file_that_is_not_whole_is_no_answer(opened, tmp_path):
    data = opened()
    known = KnownEvaluation(tmp_path, "key", data.evaluation_sets)
    known.write(answers(data))
    whole = known.path.read_bytes()
    for spoilt in (b"", whole[:-8], whole[:-1] + bytes([whole[-1] ^ 1]), b"{}" + whole):
        known.path.write_bytes(spoilt)
        assert known.read() is None
    others = {each.name: np.zeros((3, 1)) for each in data.evaluation_sets}
    save_file(others, known.path, {"sha256": known_evaluation.checksum(others)})
    assert known.read() is None
    save_file(others, known.path)
    assert known.read() is None
    known.path.write_bytes(whole)
    assert known.read() is not None
    known.path.rename(tmp_path / "elsewhere")
    known.path.symlink_to(tmp_path / "elsewhere")
    assert known.read() is None


def test_what_is_no_number_or_has_no_place_is_not_kept(opened, tmp_path):
    data = opened()
    diverged = answers(data)
    diverged["test"][0][1, 0] = np.nan
    KnownEvaluation(tmp_path, "key", data.evaluation_sets).write(diverged)
    (tmp_path / "file").touch()
    KnownEvaluation(tmp_path / "file", "key", data.evaluation_sets).write(answers(data))
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    KnownEvaluation(tmp_path / "link", "key", data.evaluation_sets).write(answers(data))
    assert not list(tmp_path.rglob("*.safetensors")) and not list(tmp_path.rglob(".*"))


def test_the_key_is_of_all_that_the_answers_depend_on(opened, tmp_path, monkeypatch):
    data, vector = opened(), np.zeros(1000, np.float32)
    config = data.config

    def key(config=config, data=data, skeleton="skeleton", vector=vector):
        return evaluation_key(config, data, skeleton, vector)

    same = key()
    assert same == key(data=opened(), vector=vector.copy())
    # what decides only training: seeds of shards and batches, the strategy, the workers
    assert same == key(replace(config, seed=5, lr=1.0, n_workers=2, lang_mix=0.5, precision="fp32"))
    moved = vector.copy()
    moved[-1] = np.nextafter(np.float32(0), np.float32(1))
    keys = [same, key(vector=moved), key(skeleton="another"), key(replace(config, n_cpu=2.0)),
            key(replace(config, max_length=64)), key(data=opened(test=4)), key(data=opened(val_ratio=0.3)),
            key(data=opened(val_ratio=0.3, seed=5)), key(data=opened(max_length=24))]
    tokens = data.tokens["test"]
    data.tokens["test"] = replace(tokens, ids=tokens.ids[::-1])
    keys.append(key())
    data.tokens["test"] = tokens
    monkeypatch.setattr(known_evaluation, "processor", lambda: "another processor")
    keys.append(key())
    monkeypatch.undo()
    monkeypatch.setattr(known_evaluation, "ROOT", tmp_path)
    (tmp_path / "utils").mkdir()
    for text in ("", "a line"):
        (tmp_path / "utils" / "code.py").write_text(text)
        keys.append(key())
    assert len({*keys}) == len(keys)
