"""The record of a run, its result lines, and its folder's name."""

import json

import pytest

from utils.config import RunConfig
from utils.errors import UserError
from utils.record.runlog import RunLog

RESULT = {"rows": 4, "loss": 0.51234, "f1": 0.25, "accuracy": 0.5,
          "domains": {"a": {"rows": 3, "loss": 0.5, "f1": 0.5, "accuracy": 1.0},
                      "b": {"rows": 1, "loss": 0.6, "f1": 0.0, "accuracy": 0.0}}}


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
    assert not list(tmp_path.glob("*.tmp"))


def test_going_back_drops_later_rounds_and_half_lines(tmp_path):
    log = RunLog(tmp_path, RunConfig())
    for number in range(4):
        log.round({"round": number})
    with (tmp_path / "rounds.jsonl").open("a") as file:
        file.write('{"round": 4, "te')
    (tmp_path / ".best_model.0123").mkdir()
    assert [record["round"] for record in log.go_back({"round": 2, "kept": True})] == [0, 1, 2]
    records = [json.loads(line) for line in (tmp_path / "rounds.jsonl").read_text().splitlines()]
    assert records[1:] == [{"round": 1}, {"round": 2, "kept": True}] and not (tmp_path / ".best_model.0123").exists()
    assert len(log.go_back({"round": 3})) == 4  # the checkpoint is a round ahead of the record
    with pytest.raises(UserError, match="rounds.jsonl lacks rounds before 9"):
        log.go_back({"round": 9})
    assert log.go_back(None) == [] and not (tmp_path / "rounds.jsonl").exists()
