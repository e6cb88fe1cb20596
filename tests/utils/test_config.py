"""A run's flags as one value, with those of its plug-ins: checked, named, hashable."""

import dataclasses
import sys
from operator import attrgetter

import pytest

from utils.config import RunConfig
from utils.errors import UserError
from utils.flags import flag, in_a_name
from utils.plugins import PARTITIONERS, STRATEGIES, TRAINED

OWNERS = " or ".join(STRATEGIES.owners("server_lr"))


def test_a_config_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunConfig().lr = 1.0


@pytest.mark.parametrize("flags, method", [
    ({"centralized": True, "lang_mix": 0.99}, "centralized"), ({"lang_mix": 0.99}, "iid"),
    ({}, "noniid"), ({"lang_mix": 0.5}, "mix0.5"), ({"frac_fit": 0.5}, "noniid-partial0.5"),
    ({"centralized": True, "optimizer_state": "keep"}, "centralized-keep"), ({"strategy": "fedadam"}, "noniid-fedadam"),
    ({"strategy": "fedadam", "server_lr": 0.001}, "noniid-fedadam"),
    ({"strategy": "fedavgm", "server_lr": 0.5, "frac_fit": 0.5}, "noniid-partial0.5-fedavgm0.5"),
    ({"lr_schedule": "linear", "optimizer_state": "keep", "centralized": True}, "centralized-linear-keep"),
    ({"lr_schedule": "linear", "warmup_ratio": 0.1, "strategy": "fedprox", "client_average": "swa"},
     "noniid-fedprox-linear-warmup0.1-client_swa"), ({"warmup_ratio": 0.1}, "noniid-warmup0.1"),
    ({"centralized": True, "large_batch": True, "strategy": "nesterov"}, "centralized-large-nesterov"),
    ({"only_client": 0}, "only0-noniid"), ({"only_client": 2, "lang_mix": 0.99, "train": "head"}, "only2-iid-head"),
    ({"partitioner": "dirichlet"}, "dirichlet0.5"), ({"partitioner": "dirichlet", "alpha": 2}, "dirichlet2"),
    ({"partitioner": "dirichlet", "centralized": True}, "centralized"),
    ({"strategy": "nesterov", "centralized": True, "server_momentum": 0.5}, "centralized-nesterov-server_momentum0.5"),
    ({"strategy": "ties", "density": 0.5}, "noniid-ties0.5")])
def test_method_names_the_kind_of_run(flags, method):
    assert RunConfig.of(**flags).method == method


@dataclasses.dataclass(frozen=True)
class Flags:
    """As a plug-in with many flags has them."""

    rate: float = flag(0.5, "a number")
    kind: str = flag("ties", "a text")
    sign: bool = flag(False, "a switch")


@pytest.mark.parametrize("flags, words, always", [
    ({}, "", "0.5"), ({"rate": 1e-6}, "1e-06", "1e-06"), ({"kind": "a/b", "sign": True}, "-kinda_b-sign",
                                                        "0.5-kinda_b-sign")])
def test_a_plugins_flags_are_in_the_name_but_for_defaults(flags, words, always):
    assert in_a_name(Flags(**flags)) == words and in_a_name(Flags(**flags), first_always=True) == always


@pytest.mark.parametrize("kind, name", [(plugins.flag, name) for plugins in (STRATEGIES, PARTITIONERS, TRAINED)
                                        for name in plugins.names()])
def test_each_choice_is_a_value_that_travels(kind, name):
    needs = {"train": STRATEGIES.load(name).trains or "all"} if kind == "strategy" else {}
    config = RunConfig.of(**{kind: name}, **needs)
    assert hash(config) == hash(RunConfig.of(**config.flags()))
    for flags in map(type, (config.strategy_flags, config.partitioner_flags, config.train_flags)):  # named in messages
        assert attrgetter(flags.__qualname__)(sys.modules[flags.__module__]) is flags
    assert dataclasses.replace(config, seed=3) == RunConfig.of(**{**config.flags(), "seed": 3})


def test_flags_are_one_flat_table():
    plain, config = RunConfig(), RunConfig.of(strategy="fedadam", server_lr=0.01, partitioner="dirichlet", n_workers=3)
    assert config.flags() == plain.flags() | {"strategy": "fedadam", "server_lr": 0.01, "partitioner": "dirichlet",
                                              "alpha": 0.5, "n_workers": 3}
    assert not {"server_lr", "alpha", "strategy_flags"} & set(plain.flags())
    fixed = config.flags(fixed=True)
    assert "n_workers" not in fixed and fixed["server_lr"] == 0.01 and fixed["lr"] == plain.lr


@pytest.mark.parametrize("flags, message", [
    ({"moon": 1}, "--moon 1: no such flag"), ({"cls": 1}, "--cls 1: no such flag"),
    ({"strategy_flags": None}, "--strategy_flags None: no such flag"),
    ({"lr": "fast"}, "--lr 'fast': must be of type float"),
    ({"strategy": "fedavgm", "server_lr": True}, "--server_lr True: must be of type float"),
    ({"strategy": "fedavgm", "server_lr": 0}, r"--server_lr 0\.0: must be a number above 0"),
    ({"strategy": "median", "centralized": True}, "--strategy median and --centralized contradict each other: it is"),
    ({"strategy": "median", "only_client": 1}, "--strategy median and --only_client 1 contradict each other: it is"),
    ({"strategy": "rolora", "train": "lora", "optimizer_state": "keep"}, "--optimizer_state keep: --strategy rolora"),
    ({"strategy": "flora", "train": "lora", "optimizer_state": "keep"}, "--optimizer_state keep: --strategy flora"),
    ({"strategy": "flora", "train": "lora", "match_norm": True}, "--match_norm: .* exact mean that --strategy flora"),
    ({"strategy": "krum", "match_norm": True}, "--match_norm: .* a spoilt update decides, which --strategy krum is to"),
    ({"strategy": "averaging", "match_norm": True}, "--match_norm: the step of --strategy averaging is the plain mean"),
    ({"train": "lora", "lora_r": "4,8"}, "--lora_r 4,8: --strategy averaging needs .* give one, or --strategy flora"),
    ({"strategy": "fedadm"}, "--strategy fedadm: no such strategy; nearest: fedadam, "),
    ({"server_lr": 0.1}, rf"--server_lr 0\.1: is a flag of --strategy {OWNERS}; --strategy averaging has no")])
def test_a_flag_that_these_plugins_have_not_is_refused(flags, message):
    with pytest.raises(UserError, match=message):
        RunConfig.of(**flags)


def test_flags_of_another_plugin_are_no_config():
    with pytest.raises(TypeError, match="strategy_flags: of another plug-in than the chosen one"):
        dataclasses.replace(RunConfig(strategy="fedadam"), strategy="fedavgm")


def test_values_are_checked_without_the_command_line_too():
    with pytest.raises(UserError, match="--lang_mix 2"):
        RunConfig(lang_mix=2)
