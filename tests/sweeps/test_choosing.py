"""Values are chosen by the held-out rows of the tuning runs, one for each arm; the rest runs with the choice alone."""

import pytest

from sweeps.choosing import chosen_values, runs_left, tuning_runs
from sweeps.study import read_study
from tests.reports.toy_records import add_set, write_run

STUDY = """
[common]
val_ratio = 0.1
[grid]
seed = [1, 2, 3]
[methods.centralized]
centralized = true
[methods.iid]
lang_mix = 0.99
[methods.fixed]
tune = {}
[tune]
lr = [5e-5, 1e-4]
seeds = [1, 2]
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY)
    return read_study(tmp_path / "study.toml", tmp_path / "log", [], ("sentiment",))


def finish(study, arm, lr, seed, held_out, test):
    folder = study.folder / f"{arm}-lr{lr}-seed{seed}"
    add_set(write_run(folder, arm, seed, (test, test), lr=lr, val_ratio=0.1), "val", {"a": held_out})


def test_the_choice_is_by_held_out_rows_and_the_tuning_seeds_alone(study, caplog):
    runs = study.runs()
    first = tuning_runs(study, runs)
    assert [run.name for run in first if run.cell == "iid"] == [
        f"iid-lr{lr}-seed{seed}" for seed in (1, 2) for lr in (5e-5, 1e-4)] and len(first) == 8
    assert chosen_values(study, runs) == {} and {run.cell for run in runs_left(runs, {})} == {"fixed"}
    for seed in (1, 2):
        finish(study, "iid", 5e-5, seed, held_out=0.5, test=0.9)
        finish(study, "iid", 1e-4, seed, held_out=0.6, test=0.1)
    finish(study, "iid", 5e-5, 3, held_out=1.0, test=1.0)  # of a seed that is not for choosing
    assert chosen_values(study, runs) == {"iid": "lr0.0001"}
    left = runs_left(runs, chosen_values(study, runs))
    assert [run.name for run in left if run.cell == "iid"] == [f"iid-lr0.0001-seed{seed}" for seed in (1, 2, 3)]
    assert len(left) == 6 and not caplog.text


def test_a_value_whose_runs_have_not_ended_cannot_be_chosen_and_is_named(study, caplog):
    for seed in (1, 2):
        finish(study, "centralized", 1e-4, seed, held_out=0.1, test=0.1)
    assert chosen_values(study, study.runs()) == {"centralized": "lr0.0001"}
    assert "centralized: no run of lr5e-05 has ended: the choice is without it" in caplog.text
