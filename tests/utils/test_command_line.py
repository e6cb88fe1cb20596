"""The command line: published commands parse, wrong flags name themselves, and help and wrong flags are instant."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from utils.command_line import parse_flags
from utils.config import RunConfig
from utils.plugins import STRATEGIES

OWNERS = " or ".join(STRATEGIES.owners("server_lr"))

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


def test_without_flags_all_have_their_defaults():
    assert parse_flags([], TASKS) == RunConfig()


def test_the_chosen_plugins_bring_their_flags():
    config = parse_flags("--strategy fedadam --server_lr 0.01 --partitioner dirichlet --alpha=2".split(), TASKS)
    assert config == RunConfig.of(strategy="fedadam", server_lr=0.01, partitioner="dirichlet", alpha=2.0)
    assert parse_flags(["--strategy", "fedavgm"], TASKS).strategy_flags.server_lr == 1.0


def test_a_run_imports_no_other_plugin_and_nothing_heavy():
    code = ("import sys; from utils.command_line import parse_flags; parse_flags(sys.argv[1:], ['rte']); "
            "print(*sys.modules)")
    words = "--data rte --strategy fedavgm --partitioner dirichlet --alpha 1".split()
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True)
    modules = set(done.stdout.split())
    assert {"strategies.fedavgm", "utils.data.partitioners.dirichlet"} <= modules, done.stderr
    assert not {"strategies.fedadam", "torch", "transformers", "datasets", "flwr", "flwr_datasets", "ray"} & modules


@pytest.mark.parametrize("words, message", [
    ("--server_lr 0.5",
     f"--server_lr 0.5: is a flag of --strategy {OWNERS}; --strategy averaging has no such flag (see --help)"),
    ("--server_lr=0.5 --lr 1", f"--server_lr 0.5: is a flag of --strategy {OWNERS}; "),
    ("--strategy fedadam --alpha 1", "--alpha 1: is a flag of --partitioner dirichlet; --partitioner lang_mix has no"),
    ("--strategy fedadam --server_lr 0", "--server_lr 0.0: must be a number above 0"),
    ("--strategy fedadam --server_lr much", "argument --server_lr: must be a number, not 'much'"),
    ("--strategy fedadam --moon", "unrecognized arguments: --moon (see --help)"),
    ("--strategy fedadam --server_rl 2", "unrecognized arguments: --server_rl 2; nearest: server_lr"),
    ("--stratgy fedadam", "unrecognized arguments: --stratgy fedadam; nearest: strategy (see --help)"),
    ("--strategy fedadm", "--strategy fedadm: no such strategy; nearest: fedadam, "),
    ("--strategy moon", f"--strategy moon: no such strategy; main_lm.py --help lists all {len(STRATEGIES.names())}\n"),
    ("--partitioner dirichle", "--partitioner dirichle: must be one of lang_mix, dirichlet; nearest: dirichlet (see"),
    ("--data sentimant", "--data sentimant: no such task; nearest: sentiment; the tasks are cola, mnli, rte, "),
])
def test_a_flag_of_another_plugin_or_out_of_range_is_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        parse_flags(words.split(), TASKS)
    err = capsys.readouterr().err
    assert stop.value.code == 2 and err.count("\n") == 1 and err.startswith(f"main_lm.py: {message}")


@pytest.mark.parametrize("words", [
    "--lang_mix 1.5", "--lang_mix -0.1", "--lang_mix nan", "--frac_fit 0", "--frac_fit 1.1", "--epoch 0",
    "--batch_size 0", "--batch_accum 0", "--n_iterations -1", "--lr 0", "--lr -1", "--lr inf", "--lr nan",
    "--lr abc", "--seed -1", "--seed 4294967296", "--seed 1.5", "--n_cpu 0", "--n_cpu -1", "--n_gpus -1",
    "--n_gpus 1.5", "--gpus_per_client 0", "--gpus_per_client 0.5", "--n_gpus 1 --gpus_per_client 2",
    "--gpus_per_client 1.5 --n_gpus 4", "--n_clients -1", "--domain_by colour", "--max_length 0",
    "--precision fp16", "--val_ratio 1", "--val_ratio -0.1", "--test -1", "--skip_evalnum 0", "--data squad",
    "--data ../cola", "--transport pigeon", "--optimizer_state lose", "--lr_schedule cosine", "--weight_decay -1",
    "--max_grad_norm -1", "--n_workers -1", "--random_init --load_model x", "--no_such_flag", "--lang 0.5"])
def test_wrong_values_exit_with_2_and_one_line_that_names_the_flag(words, capsys):
    with pytest.raises(SystemExit) as stop:
        parse_flags(words.split(), TASKS)
    out, err = capsys.readouterr()
    assert stop.value.code == 2 and not out
    assert err.count("\n") == 1 and words.split()[0].lstrip("-") in err


def test_help_lists_methods_by_group_with_their_sentence_and_flags(capsys):
    with pytest.raises(SystemExit):
        parse_flags(["--help"], TASKS)
    text = capsys.readouterr().out
    groups = [line for line in text.splitlines() if line.endswith(" (--strategy):")]
    assert groups == sorted(groups) and {"means (--strategy):", "merging (--strategy):"} <= {*groups}
    merging = text.partition("merging (--strategy):")[2].partition("(--strategy):")[0]
    section = merging.partition("--strategy iso_c:")[2].partition("--strategy ")[0]
    assert "W ← before + scale" in section and "--scale SCALE" in section
    assert all(text.count(f"\n--strategy {name}:") == 1 for name in STRATEGIES.names())
    assert "--strategy STRATEGY " in text
