"""The files of a run's record."""

import json

import pytest

from utils.config import RunConfig
from utils.record.runlog import RunLog, set_names

RESULT = {"rows": 4, "loss": 0.5, "f1": 0.25, "accuracy": 0.5, "domains": {}}


def test_a_log_writes_whole_objects_and_ends(tmp_path):
    log = RunLog(tmp_path, RunConfig(lr=0.5))
    log.write_config({"parameters": 7})
    log.round({"round": 0, "test": RESULT})
    log.round({"round": 1, "participants": [0]})
    log.summary({"test": RESULT})
    config, summary = (json.loads((tmp_path / name).read_text()) for name in ("config.json", "summary.json"))
    assert (config["flags"]["lr"], config["method"], config["parameters"]) == (0.5, "noniid", 7)
    assert summary == {"test": RESULT}
    log.close()
    with pytest.raises(ValueError, match="its run has ended"):
        log.round({"round": 2})
    assert [json.loads(line) for line in (tmp_path / "rounds.jsonl").read_text().splitlines()] == [
        {"round": 0, "test": RESULT}, {"round": 1, "participants": [0]}]
    assert not list(tmp_path.glob("*.tmp"))


def test_older_records_do_not_name_their_sets():
    assert set_names({}) == ("test", "val") and set_names({"evaluation_sets": ["test", "a"]}) == ("test", "a")
