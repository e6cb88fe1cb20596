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
