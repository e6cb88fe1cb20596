"""The record of a run, its result lines, and its folder's name."""

import json

import pytest

from utils.config import RunConfig
from utils.errors import UserError
from utils.runlog import RunLog, finished_runs, new_run_dir

RESULT = {"rows": 4, "loss": 0.51234, "f1": 0.25, "accuracy": 0.5,
          "domains": {"a": {"rows": 3, "loss": 0.5, "f1": 0.5, "accuracy": 1.0},
                      "b": {"rows": 1, "loss": 0.6, "f1": 0.0, "accuracy": 0.0}}}


def test_a_folder_is_named_by_its_settings_and_never_used_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = RunConfig(model="org/some-model/", lang_mix=0.99, seed=3)
    first, second = new_run_dir(config), new_run_dir(config)
    assert first != second and first.is_dir() and second.is_dir()
    assert first.name.startswith("sentiment-some-model-iid-seed3-")
    named = new_run_dir(RunConfig(run_dir="a/b"))
    (named / "file").touch()
    with pytest.raises(UserError, match="--run_dir a/b: already holds files"):
        new_run_dir(RunConfig(run_dir="a/b"))
    with pytest.raises(UserError, match="--run_dir a/b/file/c: cannot be made"):
        new_run_dir(RunConfig(run_dir="a/b/file/c"))


def test_records_and_lines(tmp_path, capsys):
    log = RunLog(tmp_path, RunConfig())
    log.round({"round": 0, "test": RESULT})
    log.round({"round": 1, "participants": [0]})  # not evaluated: a record, no line
    log.summary({"data": "mrpc", "model": "minilm", "method": "iid", "seed": 0, "rounds": 1, "test": RESULT,
                 "majority": {"f1": 0.8, "accuracy": 0.7, "rows": 4, "domains": {}}, "best": {"round": 1}})
    lines = capsys.readouterr().out.splitlines()
    values = "rows=4 loss=0.5123 f1=0.2500 accuracy=0.5000 f1[a]=0.5000 f1[b]=0.0000 accuracy[a]=1.0000 " \
             "accuracy[b]=0.0000"
    assert lines == [f"round=0 split=test {values}",
                     f"summary data=mrpc model=minilm method=iid seed=0 rounds=1 best_round=1 {values} "
                     f"majority_f1=0.8000 majority_accuracy=0.7000 run={tmp_path}"]
    records = [json.loads(line) for line in (tmp_path / "rounds.jsonl").read_text().splitlines()]
    assert [record["round"] for record in records] == [0, 1] and records[0]["test"] == RESULT
    assert finished_runs([tmp_path]) == [tmp_path]
    assert not list(tmp_path.glob("*.tmp"))
    with pytest.raises(UserError, match="no finished run"):
        finished_runs([tmp_path / "nowhere"])
