"""What a study's file asks for: names, the order of flags, values to be tried, more seeds."""

from pathlib import Path

from sweeps.study import read_study


def asked(tmp_path, text, *extra):
    (tmp_path / "study.toml").write_text(text)
    return read_study(tmp_path / "study.toml", None, extra, ("sentiment", "rte"))


def test_runs_are_named_by_what_sets_them_apart(tmp_path):
    study = asked(tmp_path, "[grid]\nmodel = ['a/bert', 'b/bert', 'c/t5']\nlr = [0.5, 1]\n[methods.'lr 1/2']\n")
    names = [run.name for run in study.runs()]
    assert names[::2] == ["lr_1_2-a_bert-lr0.5", "lr_1_2-b_bert-lr0.5", "lr_1_2-t5-lr0.5"]
    assert {Path(run.config.run_dir).parent for run in study.runs()} == {study.folder}


TUNED = """
[common]
val_ratio = 0.1
lr = 3e-4
[grid]
n_clients = [2, 3]
seed = [4, 5]
[methods.iid]
lang_mix = 0.99
[methods.prox]
strategy = "fedprox"
tune = {mu = [0.1, 1.0], lr = [1e-3]}
[methods.plain]
tune = {}
[tune]
lr = [5e-5, 1e-4]
"""


def test_each_method_tries_the_values_of_the_study_or_its_own(tmp_path):
    study = asked(tmp_path, TUNED)
    runs = [run for run in study.runs() if run.config.n_clients == 2 and run.config.seed == 5]
    assert [(run.name, run.cell, run.value, run.config.lr) for run in runs] == [
        ("iid-lr5e-05-n_clients2-seed5", "iid-n_clients2", "lr5e-05", 5e-5),
        ("iid-lr0.0001-n_clients2-seed5", "iid-n_clients2", "lr0.0001", 1e-4),
        ("prox-mu0.1-lr0.001-n_clients2-seed5", "prox-n_clients2", "mu0.1-lr0.001", 1e-3),
        ("prox-mu1.0-lr0.001-n_clients2-seed5", "prox-n_clients2", "mu1.0-lr0.001", 1e-3),
        ("plain-n_clients2-seed5", "plain-n_clients2", "", 3e-4)]
    assert [run.config.strategy_flags.mu for run in runs[2:4]] == [0.1, 1.0]
    assert study.tuned == ["lr", "mu"] and study.tuning_seeds == [4]


def test_flags_of_the_command_line_yield_to_values_that_are_tried_alone(tmp_path):
    runs = asked(tmp_path, TUNED, "--lr", "0.5", "--epoch", "2").runs()
    assert {run.config.epoch for run in runs} == {2}
    assert {run.config.lr for run in runs if run.value} == {5e-5, 1e-4, 1e-3}
    assert {run.config.lr for run in runs if not run.value} == {0.5}


def test_more_seeds_leave_those_that_values_are_chosen_by(tmp_path):
    study = asked(tmp_path, TUNED)
    more = study.with_seeds([4, 5, 6])
    assert more.tuning_seeds == [4] and more.seeds == [4, 5, 6]
    assert {run.name for run in study.runs()} < {run.name for run in more.runs()}
    assert {run.config.seed for run in more.runs()} == {4, 5, 6}
