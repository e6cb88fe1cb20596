"""What of a study's runs is said before the first: rows, layers and models that are not there."""

import json
import re

import pytest

from sweeps.checks import check_runs
from sweeps.models import check_there, planned_models
from sweeps.study import read_study
from tests.toy import toy_table
from utils.errors import UserError
from utils.record.runlog import SUMMARY

TASKS = ("sentiment", "rte", "mnli")
MADE = """
[pretrain.small]
task = "rte"
layers = 2
[rungs.small]
model = "{out}/models/small/1M"
layers = 3
"""


def checked(tmp_path, text, dry_run=False):
    """Check the runs of a study; return the study."""
    (tmp_path / "study.toml").write_text(f"{text}\n[grid]\nseed = [3]\n")
    study = read_study(tmp_path / "study.toml", tmp_path / "log", ["--data_dir", str(tmp_path)], TASKS)
    runs = study.runs()
    check_there(study, runs, dry_run)
    check_runs(study, runs, planned_models(study, runs))
    return study


def refused(tmp_path, text, message):
    with pytest.raises(UserError, match=f"^{tmp_path}/study.toml: run {re.escape(message)}"):
        checked(tmp_path, text)


@pytest.mark.parametrize("text, message", [
    ("[common]\nood_data = 'nosuch'\n", "run-seed3: --ood_data nosuch: no task 'nosuch'"),
    ("[common]\ndata = 'rte'\nood_data = 'sentiment'\n", "run-seed3: --ood_data sentiment: its labels say nothing of"),
    ("[common]\ndata = 'rte'\ntest_split = 'moon'\n", "run-seed3: --test_split moon: rte can be tested on dev"),
    ("[rungs.a]\ndata = 'rte'\nhold_out_domain = 'x'\n",
     "run-a-seed3: --hold_out_domain x: the domains are by slices; this table of rte has no natural ones"),
    (MADE, "run-small-seed3: --layers 3: ")])
def test_rows_and_layers_that_are_not_there_are_named(text, message, tmp_path):
    toy_table(tmp_path, 20, 8)
    refused(tmp_path, text, message)


def test_a_table_that_is_not_there_is_made_by_the_runs(tmp_path):
    checked(tmp_path, "[common]\nhold_out_domain = 'x'\n")


def test_layers_are_those_of_a_model_on_this_machine(tmp_path):
    (tmp_path / "bert").mkdir()
    text = f"[common]\nmodel = '{tmp_path}/bert'\n[rungs.a]\nlayers = 5\n"
    for written in ("{", "[]", json.dumps({"n_layer": 4}), json.dumps({"num_hidden_layers": 5})):
        (tmp_path / "bert" / "config.json").write_text(written)
        checked(tmp_path, text)
    (tmp_path / "bert" / "config.json").write_text(json.dumps({"num_hidden_layers": 4}))
    refused(tmp_path, text, f"run-a-seed3: --layers 5: {tmp_path}/bert has 4 layers; give 1 to 4, or 0 for all")
    checked(tmp_path, "[rungs.a]\nmodel = 'some/bert'\nlayers = 50\n")  # the hub's


def test_a_model_s_folder_that_is_not_there_is_named_but_not_one_of_the_hub(tmp_path, caplog):
    text = f"[rungs.a]\nmodel = 'some/bert'\n[rungs.b]\nmodel = '{tmp_path}/bert/seed{{seed}}'\n[rungs.c]\n" \
           "load_model = 'no/such/folder'\n"
    said = f"run-b-seed3: --model {tmp_path}/bert/seed3: is not there; nor are 1 more that runs start from; make it bef"
    refused(tmp_path, text, said)
    study = checked(tmp_path, text, dry_run=True)
    assert caplog.messages[0].startswith(f"{tmp_path}/study.toml: run {said}") and len(caplog.messages) == 1
    for run in study.runs():
        run.folder.mkdir(parents=True)
        (run.folder / SUMMARY).touch()
    checked(tmp_path, text)  # finished runs need none
