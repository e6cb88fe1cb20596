"""A study's file: what it must have."""

import pytest

from sweeps.study_file import parse_study
from utils.errors import UserError


@pytest.mark.parametrize("text, message", [
    ("[rungs]", "rungs: must have a table, such as"),
    ("[methods]", "methods: must have a table, such as"),
    ("baselines = []", "methods: must have a table, such as"),
    ("baselines = []\n[methods]", "methods: must have a table, such as"),
    ("[rungs.a]\n[quick]\nrungs = []", "quick.rungs: must have a table"),
    ("[methods.a]\n[quick]\nmethods = []", "quick.methods: must have a table"),
    ("[tune]\nlr = [1e-4, 1e-4]", "tune.lr: holds 0.0001 twice; leave one out"),
    ("[methods.a]\ntune = {lr = [1, 2, 1]}", "methods.a.tune.lr: holds 1 twice; leave one out"),
    ("[grid]\nmodel = ['a', 'a']", "grid.model: holds 'a' twice; leave one out"),
    ("[methods.a]\ntune = {lr = [1e-4], seeds = [1]}", "methods.a.tune.seeds: seeds stand in .tune. alone, for all"),
    ("[grid]\nseed = [1]\n[tune]\nseeds = [1]", "tune: has no flag to tune; give it one, such as lr"),
    ("[tune]", "tune: has no flag to tune; give it one, such as lr"),
    ("[quick]\nbaselines = []", "quick.methods: must have a table"),
    ("[quick]\nquick = {}", "quick.quick: a cut has none of its own"),
    ("[quick.quick]\ncommon = {epoch = 1}", "quick.quick: a cut has none of its own")])
def test_a_study_or_its_cut_without_a_run_is_named(text, message, tmp_path):
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(UserError, match=f"{tmp_path}/study.toml: {message}"):
        parse_study(tmp_path / "study.toml")


def test_baselines_alone_are_a_study(tmp_path):
    (tmp_path / "study.toml").write_text("baselines = ['centralized']\n[methods.a]\n[quick]\nmethods = []\n")
    assert parse_study(tmp_path / "study.toml", quick=True)["methods"] == {}


def test_seeds_to_tune_by_go_with_a_method_s_own_values(tmp_path):
    (tmp_path / "study.toml").write_text("[grid]\nseed = [1]\n[tune]\nseeds = [1]\n[methods.a]\ntune = {lr = [1]}\n")
    assert parse_study(tmp_path / "study.toml")["tune"] == {"seeds": [1]}
