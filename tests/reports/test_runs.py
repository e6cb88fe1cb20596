"""Reading one run's record: what is a run, and what is wrong with a broken one."""

import json

import pytest

from reports.records import read_records
from tests.reports.toy_records import write_study
from utils.errors import UserError


@pytest.fixture
def runs(tmp_path):
    return write_study(tmp_path)


def test_a_folder_named_twice_counts_once(runs):
    assert len(read_records([runs, runs / "c1"]).comparisons[0].methods["centralized"]) == 2


def test_a_saved_model_is_no_run(runs):
    for place in (runs / "c1" / "model", runs / "downloaded"):
        place.mkdir()
        (place / "config.json").write_text('{"model_type": "bert"}')
    assert read_records([runs]).unfinished == []


def test_unfinished_runs_are_listed_not_counted(runs):
    (runs / "i3" / "summary.json").unlink()
    with (runs / "i3" / "rounds.jsonl").open("a") as file:
        file.write('{"round": 3, "cli')
    (runs / "i2" / "summary.json").unlink()
    (runs / "i2" / "rounds.jsonl").unlink()
    records = read_records([runs])
    assert [run.seed for run in records.comparisons[0].methods["iid"]] == [1]
    assert [run.state for run in records.unfinished] == [
        "no round recorded", "last round recorded: 2 of 2, the next one broken off"]


BREAKS = {  # file, what is done to its text, what the message names
    "half a summary": ("summary.json", lambda text: text[:40], r"summary.json line 1: is not JSON"),
    "empty summary": ("summary.json", lambda text: "", r"summary.json line 1: is not JSON"),
    "a list": ("config.json", lambda text: "[]", r"config.json: must be a JSON object"),
    "half a config": ("config.json", lambda text: text[:-1], r"config.json line 1: is not JSON"),
    "no seed": ("config.json", lambda text: text.replace('"seed"', '"sead"'), r"config.json: lacks 'seed'"),
    "half a line": ("rounds.jsonl", lambda text: text[:-20], r"rounds.jsonl line 3: broken off"),
    "a bad line": ("rounds.jsonl", lambda text: text.replace('{"round": 1', '{"round" 1'), r"rounds.jsonl line 2: is "),
    "no rounds": ("rounds.jsonl", lambda text: "", r"rounds.jsonl: is empty"),
    "not a number": ("rounds.jsonl", lambda text: text.replace("0.45", "NaN"), r"rounds.jsonl line 1: 'accuracy'"),
    "text for a number": ("summary.json", lambda text: text.replace("0.9", '"x"'), r"summary.json: 'accuracy' is 'x'"),
    "a step's text": ("rounds.jsonl", lambda text: text.replace('"round": 2,', '"round": 2, "step": {"ratio": "x"},'),
                      r"rounds.jsonl line 3: 'ratio' is 'x'"),
    "no step": ("rounds.jsonl", lambda text: text.replace('"round": 2,', '"round": 2, "step": 3,'),
                r"rounds.jsonl line 3: 'step' is '3'"),
    "pooled text": ("summary.json", lambda text: text.replace('"test": {', '"test": {"pooled": "x", '),
                    r"summary.json: 'pooled' is 'x'"),
    "pooled without": ("summary.json", lambda text: text.replace('"test": {', '"test": {"pooled": {}, '),
                       r"summary.json: lacks 'accuracy'"),
    "other domains": ("rounds.jsonl", lambda text: text.replace('"b"', '"z"'), r"rounds.jsonl line 1: has other dom"),
    "deep nesting": ("config.json", lambda text: "[" * 100_000, r"config.json: is not JSON"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_record_is_named(runs, name):
    file, damage, message = BREAKS[name]
    path = runs / "i1" / file
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=rf"i1/{message}"):
        read_records([runs])


@pytest.mark.parametrize("file", ["config.json", "rounds.jsonl"])
def test_a_missing_file_is_named(runs, file):
    (runs / "i1" / file).unlink()
    with pytest.raises(UserError, match=f"i1/{file}: is missing"):
        read_records([runs])


def test_labels_of_shards_must_be_counts(runs):
    config = json.loads((runs / "i1" / "config.json").read_text())
    (runs / "i1" / "config.json").write_text(json.dumps(config | {"shard_labels": [{"yes": "many"}]}))
    with pytest.raises(UserError, match="i1/config.json: shard_labels must hold numbers"):
        read_records([runs])
