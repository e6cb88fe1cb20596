"""Flags: the published ones parse, wrong ones name themselves, and help is instant."""

import dataclasses

import pytest

from utils.config import RunConfig, parse_flags
from utils.errors import UserError

TASKS = ["cola", "mnli", "rte", "sentiment"]


def test_published_commands_parse():
    config = parse_flags(
        "--data cola --model bert-large-uncased --n_cpu 1.0 --n_gpus 2 --frac_fit 1.0 --epoch 1 --batch_size 16 "
        "--batch_accum 2 --lang_mix 0.99 --centralized --n_iterations 5 --lr 1e-5 --seed 5".split(), TASKS)
    assert (config.data, config.model, config.n_cpu, config.n_gpus) == ("cola", "bert-large-uncased", 1.0, 2)
    assert (config.centralized, config.batch_accum, config.lr, config.seed) == (True, 2, 1e-5, 5)


def test_other_spellings():
    config = parse_flags("--n_cpus 2 --n_gpu 1.0 --n_iteration 7".split(), TASKS)
    assert (config.n_cpu, config.n_gpus, config.n_iterations) == (2.0, 1, 7)


def test_every_field_is_a_flag_with_its_default():
    assert parse_flags([], TASKS) == RunConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunConfig().lr = 1.0


@pytest.mark.parametrize("flags, method", [
    ({"centralized": True, "lang_mix": 0.99}, "centralized"), ({"lang_mix": 0.99}, "iid"),
    ({}, "noniid"), ({"lang_mix": 0.5}, "mix0.5"), ({"frac_fit": 0.5}, "noniid-partial0.5"),
    ({"centralized": True, "optimizer_state": "keep"}, "centralized-keep")])
def test_method_names_the_kind_of_run(flags, method):
    assert RunConfig(**flags).method == method


@pytest.mark.parametrize("words", [
    "--lang_mix 1.5", "--lang_mix -0.1", "--lang_mix nan", "--frac_fit 0", "--frac_fit 1.1", "--epoch 0",
    "--batch_size 0", "--batch_accum 0", "--n_iterations -1", "--lr 0", "--lr -1", "--lr inf", "--lr nan",
    "--lr abc", "--seed -1", "--seed 4294967296", "--seed 1.5", "--n_cpu 0", "--n_cpu -1", "--n_gpus -1",
    "--n_gpus 1.5", "--gpus_per_client 0", "--gpus_per_client 0.5", "--n_gpus 1 --gpus_per_client 2",
    "--gpus_per_client 1.5 --n_gpus 4", "--n_clients -1", "--domain_by colour", "--max_length 0",
    "--precision fp16", "--val_ratio 1", "--val_ratio -0.1", "--test -1", "--skip_evalnum 0", "--data imdb",
    "--data ../cola", "--transport pigeon", "--optimizer_state lose", "--lr_schedule cosine", "--weight_decay -1",
    "--max_grad_norm -1", "--n_workers -1", "--random_init --load_model x", "--no_such_flag", "--lang 0.5"])
def test_wrong_values_exit_with_2_and_one_line_that_names_the_flag(words, capsys):
    with pytest.raises(SystemExit) as stop:
        parse_flags(words.split(), TASKS)
    out, err = capsys.readouterr()
    assert stop.value.code == 2 and not out
    assert err.count("\n") == 1 and words.split()[0].lstrip("-") in err


def test_values_are_checked_without_the_command_line_too():
    with pytest.raises(UserError, match="--lang_mix 2"):
        RunConfig(lang_mix=2)
