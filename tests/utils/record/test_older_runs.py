"""Flags of records from before plug-ins had their own, or from before a flag."""

import pytest

from utils.config import RunConfig
from utils.record.older_runs import BEFORE, recorded_flags

OLD = {"data": "rte", "partitioner": "lang_mix", "alpha": 0.5, "strategy": "averaging", "server_lr": 0.0, "seed": 1}


@pytest.mark.parametrize("plugins, own", [
    ({}, {}), ({"partitioner": "dirichlet", "alpha": 0.1}, {"alpha": 0.1}),
    ({"strategy": "fedadam"}, {"server_lr": 0.001}), ({"strategy": "fedavgm", "server_lr": 0.5}, {"server_lr": 0.5})])
def test_what_the_chosen_plugins_have_stays_and_zero_was_their_own(plugins, own):
    flags = recorded_flags(OLD | plugins)
    rest = {name: value for name, value in (OLD | plugins).items() if name not in ("alpha", "server_lr")}
    assert flags == RunConfig.of(**rest, **own).flags() | BEFORE


def test_todays_flags_stay_as_they_are():
    flags = RunConfig.of(strategy="fedavgm", partitioner="dirichlet").flags()
    assert recorded_flags(flags) == flags


def test_a_flag_that_is_newer_than_the_record_had_its_default():
    chosen = {"data": "rte", "strategy": "fedadam", "partitioner": "dirichlet"}
    assert recorded_flags(chosen | {"alpha": 0.25}) == RunConfig.of(**chosen, alpha=0.25).flags() | BEFORE
    assert recorded_flags({}) == RunConfig().flags() | BEFORE


@pytest.mark.parametrize("strategy", ["that_is_not_here", None, ["fedadam"], "fedadam.x"])
def test_so_do_those_of_a_plugin_that_is_not_here(strategy):
    flags = OLD | {"strategy": strategy}
    assert recorded_flags(flags) == RunConfig().flags() | BEFORE | flags
