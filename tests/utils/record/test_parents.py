"""Training rows of the runs that a model is of, and of those before it, by their records."""

import json
import shutil

import numpy as np
import pytest

from preprocess.common import spec_of
from tests.toy import toy_rows
from utils.config import RunConfig
from utils.data.dataset import TaskData
from utils.data.table import write_table
from utils.record.parents import parents, trained_before

RTE, WNLI = spec_of("rte"), spec_of("wnli")


@pytest.fixture
def recorded(tmp_path, caplog):
    """Tables of RTE and of WNLI, whose dev rows RTE trains on, and make(name, **flags), which writes a run's record."""
    caplog.set_level("INFO", logger="lm")
    train, data = toy_rows(24, 1), tmp_path / "data"
    tables = {"rte": write_table(data / "rte", RTE, {"train": train, "dev": toy_rows(9, 2)}, "toy"),
              "wnli": write_table(data / "wnli", WNLI, {"train": toy_rows(12, 3), "dev": train[:6]}, "toy")}

    def make(name, **flags):
        config = RunConfig(**{"data": "rte", "data_dir": str(tmp_path / "data"), "model": "minilm"} | flags)
        (tmp_path / name / "model").mkdir(parents=True)
        (tmp_path / name / "model" / "config.json").write_text('{"model_type": "bert"}')
        (tmp_path / name / "config.json").write_text(json.dumps({
            "flags": config.flags(), "data_fingerprint": tables[config.data].fingerprint}))
        return str(tmp_path / name)

    return make


def before(name, tmp_path, of_runs=True):
    return trained_before([name], str(tmp_path / "data"), spec_of, of_runs)


def test_a_run_s_rows_and_those_of_the_runs_before_it(recorded, tmp_path):
    first = recorded("first", val_ratio=0.25, seed=3)
    evaluated = recorded("evaluated", load_model=first, n_iterations=0)
    last = recorded("last", data="wnli", model=f"{evaluated}/model", test=2)
    [mine] = before(first, tmp_path)
    plan = TaskData(RunConfig(data="rte", data_dir=str(tmp_path / "data"), val_ratio=0.25, seed=3), RTE).plan
    assert mine.table.spec == RTE and mine.rows.tolist() == np.concatenate(plan.train.rows).tolist()
    assert mine.held_out.tolist() == np.concatenate(plan.val.rows).tolist()
    assert [(each.table.spec.name, len(each.rows)) for each in before(f"{last}/model", tmp_path)] == [
        ("wnli", 6), ("rte", 18)]
    assert len(trained_before([first, evaluated, last], str(tmp_path), spec_of, True)) == 2  # each once
    assert not before(recorded("anew", model=first, random_init=True, n_iterations=0), tmp_path)
    for flags, n in (({"load_model": last}, 2), ({"model": first}, 1), ({"model": first, "random_init": True}, 0)):
        assert len(parents(RunConfig(data_dir=str(tmp_path / "data"), **flags), spec_of)) == n


def test_evaluated_rows_that_a_run_before_trained_on_are_counted(recorded, tmp_path):
    config = RunConfig(data="wnli", data_dir=str(tmp_path / "data"), n_iterations=0, overlap="keep", n_clients=1)
    found = TaskData(config, WNLI, from_=before(recorded("run"), tmp_path)).overlap()
    assert found["test"]["training_rows"] == 6 and TaskData(config, WNLI).overlap()["test"]["training_rows"] == 0


def test_what_is_not_looked_at_is_said(recorded, tmp_path, caplog):
    run = recorded("run")
    (tmp_path / "data").rename(tmp_path / "moved")
    assert trained_before([run], str(tmp_path / "moved"), spec_of, True) and not caplog.messages
    assert not before(run, tmp_path) and not before(str(tmp_path / "moved"), tmp_path)
    assert not before("minilm", tmp_path, of_runs=False)
    shutil.copytree(tmp_path / "moved", tmp_path / "data")
    write_table(tmp_path / "data" / "rte", RTE, {"train": toy_rows(9, 8), "dev": toy_rows(9, 2)}, "toy")
    assert not before(run, tmp_path)
    (tmp_path / "run" / "config.json").write_text('{"flags": {"n_iterations": 1, "strategy": 3}}')
    assert not before(run, tmp_path)
    lost = f"overlap: the rows that the model was trained on in {run} are not looked at: "
    gone = f"{lost}its table of rte is not in {tmp_path / 'data'} any more"
    no_run = f"overlap: what {tmp_path / 'moved'} was trained on is not looked at: it has no run's record"
    assert caplog.messages[:3] == [gone, no_run, gone] and caplog.messages[3].startswith(lost)
