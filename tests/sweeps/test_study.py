"""What a study's file asks for: names, the order of flags, values to be tried, more seeds."""

import re
from pathlib import Path

import pytest

from sweeps.study import read_study
from utils.errors import UserError


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


RUNGS = """
baselines = ["centralized-linear"]
[common]
val_ratio = 0.1
epoch = 2
[grid]
seed = [4, 5]
[rungs.random]
random_init = true
epoch = 3
[rungs.'made/small']
model = "{out}/models/seed{seed}/1M"
tune = {lr = [1e-3, 3e-3]}
[methods.iid]
lang_mix = 0.99
[methods.probe]
train = "head"
epoch = 1
tune = {lr = [1e-2]}
[tune]
lr = [5e-5]
"""


def test_every_arm_is_run_on_each_rung(tmp_path):
    """A rung's flags come after the common ones and before the arm's; a method's values are its own on all rungs."""
    study = asked(tmp_path, RUNGS)
    found = {run.name: run for run in study.runs()}
    of_5 = [run for run in found.values() if run.config.seed == 5]
    assert [(run.name, run.cell, run.config.epoch, run.config.lr, run.value) for run in of_5] == [
        ("iid-random-lr5e-05-seed5", "iid-random", 3, 5e-5, ""),
        ("probe-random-lr0.01-seed5", "probe-random", 1, 1e-2, ""),
        ("centralized-linear-random-lr5e-05-seed5", "centralized-linear-random", 3, 5e-5, ""),
        ("iid-made_small-lr0.001-seed5", "iid-made_small", 2, 1e-3, "lr0.001"),
        ("iid-made_small-lr0.003-seed5", "iid-made_small", 2, 3e-3, "lr0.003"),
        ("probe-made_small-lr0.01-seed5", "probe-made_small", 1, 1e-2, ""),
        ("centralized-linear-made_small-lr0.001-seed5", "centralized-linear-made_small", 2, 1e-3, "lr0.001"),
        ("centralized-linear-made_small-lr0.003-seed5", "centralized-linear-made_small", 2, 3e-3, "lr0.003")]
    assert len(found) == 16 and study.tuned == ["lr"]


def test_a_text_may_have_the_seed_of_its_run_and_the_folder_of_the_study(tmp_path):
    found = {run.name: run for run in asked(tmp_path, RUNGS).runs()}
    for seed in (4, 5):
        run = found[f"probe-made_small-lr0.01-seed{seed}"]
        assert run.config.model == f"log/study/models/seed{seed}/1M" in run.words
    [run] = asked(tmp_path, "", "--seed", "7", "--load_model", "{out}/{seed}").runs()  # of the command line, too
    assert run.config.load_model == "log/study/7"
    [run] = asked(tmp_path, "", "--load_model", "{out}/{{seed}}/{{{seed}}}/}}").runs()  # doubled ones are braces
    assert run.config.load_model == "log/study/{seed}/{0}/}" in run.words
    [run] = read_study(tmp_path / "study.toml", tmp_path / "{a}", [], ("sentiment",)).runs()
    assert run.config.run_dir == f"{tmp_path}/{{a}}/run"


@pytest.mark.parametrize("text, message", [
    ("[common]\nmodel = '{outt}/models/seed{seed}'\n",
     "common.model: '{outt}/models/seed{seed}': {outt} is neither {seed} nor {out}; nearest: out; braces that are to"),
    ("[rungs.a]\nload_model = 'a/seed{sed}'\n", "rungs.a.load_model: 'a/seed{sed}': {sed} is neither {seed} nor {out}"),
    ("[common]\nmodel = 'a{}'\n", "common.model: 'a{}': {} is neither {seed} nor {out}; braces that are to stay are w"),
    ("[methods.a]\nmodel = '{out'\n", "methods.a.model: '{out': has a { without its partner; braces that are to stay"),
    ("[grid]\nmodel = ['a', 'a}}}']\n", "grid.model: 'a}}}': has a } without its partner; braces that are to stay are"),
    ("[rungs.a]\ntune = {model = ['{{{seed']}\n", "rungs.a.tune.model: '{{{seed': has a { without its partner"),
    ("[quick]\npretrain = {a = {out = 'a/{seed'}}\n", "quick.pretrain.a.out: 'a/{seed': has a { without its partner"),
    ("baselines = ['centralized-optimizer']\n", "asks for no run: its baselines are made from methods, of which it h")])
def test_what_is_no_place_and_a_study_without_runs_are_named(text, message, tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}/study.toml: {re.escape(message)}"):
        asked(tmp_path, text).runs()


def test_a_brace_without_its_partner_on_the_command_line_names_the_run(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path}/study.toml: run run: 'a/{{seed': has a {{ without its partner"):
        asked(tmp_path, "", "--model", "a/{seed").runs()


QUICK = """
out = "log/mine"
baselines = ["centralized"]
[common]
val_ratio = 0.1
epoch = 2
[grid]
seed = [1, 2, 3]
[tune]
lr = [1e-4, 2e-4]
[rungs.a]
random_init = true
[rungs.b]
[methods.iid]
lang_mix = 0.99
batch_size = 8
[quick]
baselines = []
rungs = ["b"]
common = {epoch = 1}
grid = {seed = [1, 2]}
methods = {iid = {batch_size = 4}}
"""


def test_the_quick_cut_of_a_study_is_the_study_with_other_values_in_another_folder(tmp_path):
    (tmp_path / "study.toml").write_text(QUICK)
    study = read_study(tmp_path / "study.toml", None, [], ("sentiment",), quick=True)
    assert [run.name for run in study.runs()] == [f"iid-b-lr{lr}-seed{seed}" for seed in (1, 2)
                                                  for lr in (0.0001, 0.0002)]
    [of_all] = {(run.config.epoch, run.config.val_ratio, run.config.lang_mix, run.config.batch_size)
                for run in study.runs()}
    assert of_all == (1, 0.1, 0.99, 4) and study.folder == Path("log/mine-quick")
    assert len(asked(tmp_path, QUICK).runs()) == 3 * 2 * 2 * 2


@pytest.mark.parametrize("text, message", [
    ("[rungs.a]\n[rungs.b]\n[methods.iid]\n", "[rungs.a] and [rungs.b] come to the same run (iid-a, iid-b): give"),
    ("[methods.iid]\nlang_mix = 0.99\n[methods.b]\nlang_mix = 0.99\n",
     "[methods.iid] and [methods.b] come to the same run (iid, b): give them other flags, or leave one out"),
    ("[rungs.a]\n[rungs.b]\nlr = 1\n[methods.c]\nlr = 1\n[methods.d]\n",
     "[rungs.a] and [rungs.b] come to the same run (c-a, c-b): "),
    ("[grid]\nlr = [1, 2]\n[methods.a]\nlr = 3\n", "two values in [grid] or [tune] come to the same run (a-lr1, a-lr"),
    ("baselines = ['centralized']\n[rungs.a]\n[rungs.b]\n", "[rungs.b]: each of its runs is one of another rung; g")])
def test_tables_that_come_to_the_same_run_are_named(text, message, tmp_path):
    """They would be trained twice, and then refused by the report."""
    with pytest.raises(UserError, match=f"{tmp_path}/study.toml: {re.escape(message)}"):
        asked(tmp_path, text).runs()


def test_a_flag_of_the_command_line_may_make_two_methods_the_same(tmp_path):
    study = "[methods.a]\nlang_mix = 0.5\n[methods.b]\nlang_mix = 0.99\n"
    assert len(asked(tmp_path, study, "--lr", "1").runs()) == 2
    with pytest.raises(UserError, match=r"\[methods.a\] and \[methods.b\] come to the same run .* command line's fl"):
        asked(tmp_path, study, "--lang_mix", "0.5").runs()


def test_a_baseline_that_is_a_method_on_a_later_rung_is_left_out(tmp_path):
    text = """baselines = ['centralized']
[rungs.a]
lr_schedule = "linear"
[rungs.b]
[methods.c]
centralized = true
"""
    assert [run.name for run in asked(tmp_path, text).runs()] == ["c-a", "c-b"]
