"""Models that a study has made before its runs: which, where, by which flags, and what is there."""

import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pretraining.flags import fixed
from pretraining.made_by import MADE_BY
from sweeps import models
from sweeps.models import check_there, planned_models
from sweeps.study import read_study
from utils.config import RunConfig
from utils.errors import UserError
from utils.model.pretraining import CARD, ENTRIES
from utils.record.runlog import CONFIG, SUMMARY

STUDY = """
[common]
data_dir = "tables"
[pretrain.small]
task = "rte"
tokens = "0,2k"
seed = "{seed}"
[pretrain.other]
task = "rte"
out = "{out}/other"
[pretrain.unused]
task = "rte"
[rungs.none]
model = "{out}/models/seed{seed}/small/0"
[rungs.some]
load_model = "{out}/models/seed{seed}/small/2k"
[rungs.other]
model = "{out}/other/1M"
[grid]
seed = [3, 5]
"""


def planned(tmp_path, text=STUDY):
    """Return a study's models and runs."""
    (tmp_path / "study.toml").write_text(text)
    study = read_study(tmp_path / "study.toml", tmp_path / "log", [], ("sentiment", "rte"))
    check_there(study, study.runs())
    return planned_models(study, study.runs()), study.runs()


def test_models_are_made_for_each_seed_that_their_flags_name_and_where_a_run_starts_from_one(tmp_path):
    made, runs = planned(tmp_path)
    assert {one.name: (one.flags.out, one.flags.seed, one.flags.data_dir) for one in made} == {
        "models/small-seed3": (f"{tmp_path}/log/models/seed3/small", 3, "tables"),
        "models/small-seed5": (f"{tmp_path}/log/models/seed5/small", 5, "tables"),
        "models/other": (f"{tmp_path}/log/other", 0, "tables")}
    assert [run.name for run in runs if made[0].serve(run.config)] == ["run-none-seed3", "run-some-seed3"]


def test_models_are_finished_when_all_of_their_budgets_are_there(tmp_path):
    one, states = planned(tmp_path)[0][0], []
    for label in ("0", "2k"):
        states.append(one.state)
        (one.folder / label).mkdir(parents=True)
        (one.folder / label / CARD).touch()
    assert states == ["new", "resume"] and one.state == "finished"


@pytest.mark.parametrize("before, after, message", [
    ("small/0", "small/1k", "run run-none-seed3: --model .*/small/1k: models/small-seed3 makes 0, 2k there"),
    ("[rungs.none]", "out = '{out}/other'\n[rungs.none]", "models/other: another table of .pretrain. has the folder")])
def test_a_run_without_its_model_and_two_tables_of_one_folder_are_wrong(before, after, message, tmp_path):
    with pytest.raises(UserError, match=message):
        planned(tmp_path, STUDY.replace(before, after))


@pytest.mark.parametrize("tables", [True, False])
def test_a_run_whose_model_is_nowhere_and_is_not_made_is_named(tables, tmp_path):
    text = STUDY.replace("seed{seed}/small/0", "seed{seed}/smal/0")
    text = text if tables else "[rungs.none]" + text.partition("[rungs.none]")[2]
    made = (rf"; nearest: {tmp_path}/log/models/seed3/small/0, .*; the tables make {tmp_path}/log/models/seed3/small, "
            ".*/log/other" if tables else "; there are none$")
    with pytest.raises(UserError, match=f"run run-none-seed3: --model {tmp_path}/log/models/seed3/smal/0: is not "
                                        rf"there, and no table .pretrain.NAME. makes it{made}"):
        planned(tmp_path, text)
    for seed in (3, 5):
        (tmp_path / f"log/models/seed{seed}/smal/0").mkdir(parents=True)
    if tables:
        planned(tmp_path, text)  # what is there needs no table
        planned(tmp_path, STUDY.replace("{out}/other/1M", "{out}/run-none-seed3"))  # nor does another run's
        study = read_study(tmp_path / "study.toml", Path("."), [], ("sentiment", "rte"))
        check_there(study, [replace(study.runs()[0], config=RunConfig())])  # nor does minilm


def test_models_of_other_flags_than_the_table_has_now_are_named(tmp_path):
    one = planned(tmp_path)[0][0]
    one.folder.mkdir(parents=True)
    (one.folder / MADE_BY).write_text(json.dumps(fixed(one.flags)))
    planned(tmp_path)
    with pytest.raises(UserError, match=r"study.toml: models/small-seed3: --lr 0.5: the models in .*/seed3/small are "
                                        "of 0.001; name another --out, or remove that folder"):
        planned(tmp_path, STUDY.replace("[pretrain.small]", "[pretrain.small]\nlr = 0.5"))


def test_a_finished_run_of_another_model_than_is_there_now_is_named(tmp_path):
    runs = planned(tmp_path)[1]
    run = next(run for run in runs if run.name == "run-none-seed3")
    now = {name: kind() for name, (kind, _) in ENTRIES.items()}
    folder = tmp_path / "log/models/seed3/small/0"
    folder.mkdir(parents=True)
    run.folder.mkdir(parents=True)
    (folder / CARD).write_text(json.dumps(now))
    (run.folder / SUMMARY).touch()
    (run.folder / CONFIG).write_text(json.dumps({"pretraining": now}))
    planned(tmp_path)
    (run.folder / CONFIG).write_text(json.dumps({"pretraining": now | {"budget": 1}}))
    with pytest.raises(UserError, match="run run-none-seed3: --model .*/seed3/small/0 is another model now than "
                                        ".*config.json has; remove the run's folder"):
        planned(tmp_path)


def test_a_wrong_flag_names_its_table(tmp_path, capsys):
    with pytest.raises(SystemExit):
        planned(tmp_path, STUDY.replace("2k\"\nseed", "3k\"\nseeds"))
    assert "study.toml: models/small-seed3: unrecognized arguments: --seeds 3; nearest: seed" in capsys.readouterr().err


PROGRAM = """
import os, pathlib, signal, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
first = not out.exists()
out.mkdir(parents=True, exist_ok=True)
if out.name == "other":
    sys.exit("--out: is not for this")
if first:
    os.kill(os.getpid(), signal.SIGKILL if "seed3" in str(out) else signal.SIGTERM)
print("made", out)
"""


def test_a_process_that_a_signal_ends_goes_on_once_and_a_failure_is_named(tmp_path, monkeypatch):
    (tmp_path / "pretrain.py").write_text(PROGRAM)
    monkeypatch.setattr(models, "PRETRAIN", tmp_path / "pretrain.py")
    failed = models.make(planned(tmp_path)[0], tmp_path / "log", jobs=2)
    assert failed == {"models/other": "exit code 1: --out: is not for this"}
    made = [(tmp_path / "log" / "models" / f"small-seed{seed}.txt").read_text() for seed in (3, 5)]
    assert made == [f"made {tmp_path}/log/models/seed{seed}/small\n" for seed in (3, 5)]


def test_an_interrupt_ends_the_processes_at_work(tmp_path, monkeypatch):
    (tmp_path / "pretrain.py").write_text("import time; time.sleep(600)")
    monkeypatch.setattr(models, "PRETRAIN", tmp_path / "pretrain.py")
    wanted, begun = planned(tmp_path)[0], []
    monkeypatch.setattr(models, "started", lambda *of, start=models.started: begun.append(start(*of)) or begun[-1])
    threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        models.make(wanted, tmp_path / "log", jobs=1)
    assert [process.returncode for process in begun] == [-signal.SIGTERM]
