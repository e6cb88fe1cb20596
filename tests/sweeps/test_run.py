"""Studies: what a file asks for, what is wrong in one, and a small one run on its own Ray cluster, twice."""

import json
import signal
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest

from reports.pretraining import known_models
from sweeps.run import main
from tests import processes
from tests.conftest import ROOT
from tests.tiny import tiny_once
from tests.toy import toy_table

STUDY = """
[common]
data = "rte"
data_dir = "{base}/data"
model = "{base}/tiny/bert"
max_length = 32
batch_size = 8
precision = "fp32"
fp32_products = "torch"
n_iterations = {rounds}

[grid]
seed = [4]

[methods.iid]
lang_mix = 0.99
lr = 1e-3

[methods.diverging]
lr = 1e30

[methods.noniid]
lr = 1e-3
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Rows, a tiny model, and a study of three runs of which one fails."""
    base = tmp_path_factory.mktemp("study")
    toy_table(base / "data", 60, 24)
    tiny_once(base, "bert")
    (base / "study.toml").write_text(STUDY.format(base=base, rounds=1))
    (base / "long.toml").write_text(STUDY.format(base=base, rounds=3000))
    return base


def start(*words: object, cwd: Path = ROOT, **options) -> subprocess.Popen:
    """Start sweeps/run.py with its output redirected."""
    return processes.begun([sys.executable, ROOT / "sweeps/run.py", *words], cwd=cwd, **options)


def test_a_study_runs_what_is_left_and_names_what_failed(base):
    out = base / "out"
    first = processes.finish(start(base / "study.toml", "--out", out, "--jobs", 2))
    assert first.returncode == 3, first.stderr
    lines = first.stderr.splitlines()
    assert sum(" started " in line for line in lines) == 3
    assert any("3 of 3 done, 0 running, 1 failed" in line for line in lines)
    assert lines[-1].startswith("failed: diverging-seed4: exit code 3: ") and "diverged" in lines[-1]
    assert "noniid" in first.stdout and "accuracy" in first.stdout  # the report's tables
    assert (out / "report" / "report.html").is_file() and "summary data=rte" in (out / "iid-seed4.txt").read_text()
    weights = processes.model(out / "noniid-seed4")

    # From another folder, whose records are there, and files that are not the project's though they are called so
    for name in ("utils", "clients", "strategies", "preprocess", "random"):
        (base / f"{name}.py").write_text(f"raise SystemExit('the wrong {name}.py')")
    again = processes.finish(start("study.toml", "--out", "out", cwd=base))
    assert "diverged" in again.stderr.splitlines()[-1]
    assert again.returncode == 3 and sum(" started " in line for line in again.stderr.splitlines()) == 1
    assert processes.model(out / "noniid-seed4") == weights


LAW = """
val_ratio = 0.2
[pretrain.small]
task = "rte"
layers = 1
hidden = 32
vocab = 300
objective = "mlm"
tokens = "0,1k,100M"
[rungs.given]
[rungs.made]
model = "{out}/models/small/1k"
[grid]
seed = [1, 2, 3, 4, 5, 6]
[methods.iid]
lang_mix = 0.99
[tune]
lr = [1e-3, 1e30]
[quick]
grid = {seed = [1, 2]}
pretrain = {small = {tokens = "0,1k"}}
"""


def test_a_study_of_rungs_makes_its_models_chooses_values_and_adds_seeds_until_it_is_decided(base):
    """The value that diverges is not chosen; the rule looks first when a third seed has been added.

    It is the study's quick cut, and one process does all runs.
    """
    text = STUDY.partition("[grid]")[0].format(base=base, rounds=1) + LAW
    (base / "tuned.toml").write_text("baselines = ['centralized-linear']\n" + text)
    words = (base / "tuned.toml", "--quick", "--out", base / "tuned", "--jobs", 1)
    planned = processes.finish(start(*words, "--dry_run"))
    assert [line.split()[0] for line in planned.stdout.splitlines()] == ["new"] * 9 + ["later"] * 4
    assert f"pretrain.py --out {base}/tuned/models/small --data_dir {base}/data --task rte" in planned.stdout
    assert "later     iid-made with --seed 2 and the best on held-out rows of lr0.001, lr1e_30" in planned.stdout
    sweep, found = start(*words, "--until", "decided", "--at_most", 3), set[int]()
    watch = threading.Thread(target=processes.wait_until, args=(lambda: found.update(drivers(sweep)), sweep, 300))
    watch.start()
    done = processes.finish(sweep)
    watch.join()
    assert done.returncode == 0 and len(found) == 1, done.stderr
    said = done.stderr.splitlines()
    assert said[0].startswith("--until decided: the gain in the headline is looked at after 3 seeds and after each")
    assert sum("chosen on held-out rows: lr0.001 of centralized-linear-made" in line for line in said) == 2
    assert any("iid-made: no run of lr1e_30 has ended: the choice is without it" in line for line in said)
    assert any(line.startswith("--until decided: with 3 seeds the headline is") for line in said)
    started = [line.split(" started ")[1].split(":")[0] for line in said if " started " in line]
    arms = [f"{arm}-{rung}" for rung in ("given", "made") for arm in ("iid", "centralized-linear")]
    assert started[0] == "models/small" and len(started) == 17
    assert {*started[9:]} == {f"{arm}-lr0.001-seed{seed}" for seed in (2, 3) for arm in arms}
    report = (base / "tuned" / "report" / "report.md").read_text()
    assert "Tuned: rte" in report and "| centralized-linear | 0.001 |" in report.replace("  ", "")

    # What is there is not made again; the whole study's models are not all there
    again = processes.finish(start(*words, "--dry_run")).stdout
    assert again.startswith("finished  python pretrain.py") and again.count("finished") == 9
    whole = processes.finish(start(*(word for word in words if word != "--quick"), "--dry_run")).stdout
    assert whole.startswith("resume    python pretrain.py") and whole.count("finished") == 12


def drivers(sweep: subprocess.Popen) -> list[int]:
    """Return the processes of sweeps/driver.py that a study has."""
    return [pid for pid, name in processes.descendants(sweep.pid).items() if "sweeps/driver.py" in name]


def test_a_run_whose_process_dies_is_resumed_and_the_others_have_its_next_one(base):
    """One run's process is killed once; another's, whose workers have other cores, at each try. One has no model."""
    (base / "deaths.toml").write_text(STUDY.partition("[grid]")[0].format(base=base, rounds=60) + """
seed = 4
lr = 1e-3
[methods.once]
n_cpu = 2
[methods.always]
[methods.after]
n_iterations = 1
[methods.lost]
model = "{out}/models/seed{seed}/wrong/1M"
[pretrain.wrong]
text = "no such {seed}"
""")
    out = base / "deaths"
    sweep = start(base / "deaths.toml", "--out", out, "--jobs", 1)
    processes.wait_until(lambda: processes.newest(out / "once"), sweep)
    dead, before = drivers(sweep), processes.newest(out / "once")
    processes.kill(dead[0])
    processes.wait_until(lambda: set(drivers(sweep)) - set(dead), sweep)
    dead += drivers(sweep)  # it lives, and ends when its run does
    for _ in range(2):
        processes.wait_until(lambda: set(drivers(sweep)) - set(dead), sweep)
        dead += drivers(sweep)
        processes.kill(dead[-1])
    done = processes.finish(sweep)
    assert done.returncode == 3 and len(set(dead)) == 4, done.stderr
    assert done.stderr.count("its process died (exit code -9): it is resumed in a new one") == 2
    failed = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert [line.split(": ")[1] for line in failed] == ["always", "models/wrong-seed4"]
    assert "exit code 2: pretrain.py: --text no such 4: No such file" in failed[1] and not (out / "lost").exists()
    assert "models/wrong-seed4: 1 run(s) that would start from it are left out" in done.stderr
    assert [(out / name / "summary.json").is_file() for name in ("once", "always", "after")] == [True, False, True]
    rounds = (out / "once" / "rounds.jsonl").read_text().splitlines()
    assert [json.loads(line)["round"] for line in rounds] == list(range(61)) and 0 < before < 60
    assert "1 worker(s) of 2 thread(s)" in (out / "once.err").read_text()
    assert "2 worker(s) of 1 thread(s)" in (out / "after.err").read_text()
    # One Ray for all, or one of its own: the same bits
    flags = "--n_iterations 60 --max_length 32 --batch_size 8 --n_cpu 2"
    alone = processes.finish(processes.start(base, "once", flags))
    assert alone.returncode == 0 and processes.model(base / "once") == processes.model(out / "once")


def test_an_interrupted_study_leaves_no_process_and_goes_on(base):
    """It is a shell's background job, which ignores Ctrl-C, as do its runs; a batch system's SIGTERM ends all."""
    out, sweep = base / "cut", start(base / "long.toml", "--out", base / "cut", "--jobs", 2,
                                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    processes.wait_until(lambda: (out / "noniid-seed4" / "checkpoints").is_dir(), sweep)
    below = processes.descendants(sweep.pid)
    sweep.send_signal(signal.SIGINT)
    sweep.send_signal(signal.SIGTERM)
    done = processes.finish(sweep)
    assert done.returncode == 130 and "interrupted" in done.stderr.splitlines()[-1]
    processes.wait_until_gone(below)
    dry = processes.finish(start(base / "long.toml", "--out", out, "--dry_run"))
    assert dry.returncode == 0
    assert [line.split()[0] for line in dry.stdout.splitlines()] == ["resume", "resume", "resume"]


def test_records_that_cannot_be_written_are_one_line(base):
    done = processes.finish(start(base / "study.toml", "--out", base / "study.toml" / "out"))
    assert done.returncode == 2 and not done.stdout and "Traceback" not in done.stderr
    assert str(base / "study.toml") in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("study, n_runs, word", [
    ("mini", 35, "--model minilm"), ("law_mini", 613, "models/seed5/vocab8000 "),
    ("cola_mini", 16, "--domain_by natural"),
    ("bert_large_cola", 10, "--model bert-large-uncased"), ("t5_mnli", 10, "--model t5-base"),
    ("representation_ladder", 81, "--model xlm-roberta-large"),
    ("law_multiberts", 210, "--model log/models/seed0/multiberts-step_600k"),
    ("law_roberta_data", 100, "--model log/models/seed1/roberta-base-1B")])
def test_the_studies_that_are_here_ask_for_their_runs(study, n_runs, word):
    done = processes.finish(start(f"sweeps/{study}.toml", "--dry_run"))
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(set(lines)) == n_runs and any(word in line for line in lines)


@pytest.mark.parametrize("study", ["representation_ladder", "law_multiberts", "law_roberta_data"])
def test_the_models_of_a_law_have_their_budgets(study):
    tables = tomllib.loads((ROOT / "sweeps" / f"{study}.toml").read_text())
    models = [*tables["grid"].get("model", []), *(rung["model"] for rung in tables.get("rungs", {}).values())]
    assert len(models) > 3 and {name.rpartition("/")[2].lower() for name in models} <= known_models().keys()


@pytest.mark.parametrize("text, message", [
    ("[common]\ndata = \n", "is no TOML file: "),
    ("\ufeff[commons]\n", "commons: a study has out, baselines, common, pretrain, rungs, grid, methods, tune, quick"),
    ("baselines = 'all'\n", "baselines: a study has out, baselines, common, pretrain, rungs, grid, methods, tune, "),
    ("baselines = ['centralised']\n", "baselines: no arm centralised; nearest: centralized"),
    ("[tune]\nlr = [1e-4, 2e-4]\n", "there are no held-out rows to choose a value of lr by; give val_ratio above 0"),
    ("[tune]\nlr = 1e-4\n", "tune.lr: must be a list of values"),
    ("[tune]\nseeds = [2]\n[grid]\nseed = [1, 3]\n", "tune.seeds: must be some of grid.seed (1, 3)"),
    ("[tune]\nval_ratio = [0.1, 0.2]\n", "tune.val_ratio: must be a flag of training that leaves the evaluated rows"),
    ("[methods.iid]\ntune = {deterministic = [true]}\n", "tune.deterministic: must be a flag of training that leaves"),
    ("[grid]\nseed = ['1', '2']\n", "grid.seed: must hold whole numbers, such as [1, 2, 3], and holds '1'"),
    ("[tune]\nseeds = [1.0]\n[grid]\nseed = [1]\n", "tune.seeds: must hold whole numbers, such as [1, 2, 3], and h"),
    ("[methods.iid]\ntune = 3\n", "methods.iid.tune: must be a table of lists"),
    ("[grid]\nseed = 1\n", "grid.seed: must be a list of values"),
    ("[methods]\niid = 1\n", "methods.iid: must be a table of flags"),
    ("[grid]\nseed = [1, 1]\n", "sweeps/run.py: {study}: grid.seed: holds 1 twice; leave one out"),
    ("[quick]\nrungs = ['twos']\n[rungs.two]\n", "quick.rungs: there is no [rungs.twos]; nearest: two"),
    ("[quick]\nrungs = [['two']]\n[rungs.two]\n", "quick.rungs: there is no [rungs.['two']]"),
    ("[quick]\ncommon = 3\n", "quick.common: a study has out, baselines, common"),
    ("[pretrain.a]\nlayers = [1, 2]\n", "pretrain.a.layers: must be one value"),
    ("[rungs.two]\nlayer = 2\n", "sweeps/run.py: {study}: run run-two: unrecognized arguments: --layer 2"),
    ("[rungs.two]\nlr = 2.0\n[grid]\nlr = [1.0]\n", "rungs.two.lr: [grid] has values of it, too; leave"),
    ("[common]\nlerning_rate = 1\n", "run run: unrecognized arguments: --lerning_rate 1"),
    ("[common]\nlr = -1.0\n", "run run: --lr -1.0: must be a number above 0"),
    ("[common]\nn_cpu = 4096\n", "--n_cpu 4096: this machine has"),
    ("[common]\nn_workers = 1000\n", "--n_workers 1000: the runs of a study share this machine's"),
    ("[common]\nray_address = 'auto'\n", "--ray_address: a study starts a Ray of its own"),
    ("[methods.'a b']\n[methods.a_b]\n", "two runs are called a_b; names of methods or rungs, or values in [grid] or"),
    (None, "cannot be read (No such file or directory)"),
])
def test_a_wrong_study_is_one_line_and_nothing_starts(text, message, tmp_path):
    if text is not None:
        (tmp_path / "study.toml").write_text(text)
    done = processes.finish(start(tmp_path / "study.toml", "--out", tmp_path / "out"))
    assert done.returncode == 2 and not done.stdout and not (tmp_path / "out").exists()
    message = message.replace("{study}", str(tmp_path / "study.toml"))
    assert message in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr


@pytest.mark.parametrize("words, message", [
    ("", "the following arguments are required: STUDY (see --help)"),
    ("X --until decide --at_most 5", "argument --until: invalid choice: 'decide'"),
    ("X --until decided --at_most x", "argument --at_most: must be a whole number, not 'x' (see --help)"),
    ("X --untl decided --at_most 3", "unrecognized arguments: --untl; nearest: until\n"),
    ("X --learning_rate 1", "unrecognized arguments: --learning_rate\n"),
    ("X --until decided", "--until decided and --at_most N go together: give both, or neither\n"),
    ("X --at_most 0", "--until decided and --at_most N go together: give both, or neither\n"),
    ("sweeps/mini.toml --until decided --at_most 0", "--at_most 0: must be a number of seeds from 3\n"),
    ("sweeps/mini.toml --alpha 1", "sweeps/mini.toml: run iid-lr5e-05-seed1: --alpha 1: is a flag of --partitio"),
    ("X --jobs 1.5", "argument --jobs: must be a whole number, not '1.5' (see --help)")])
def test_a_wrong_command_line_is_one_line(words, message, capsys):
    try:
        code = main(words.split())
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    assert code == 2 and not out and err.startswith(f"sweeps/run.py: {message}") and err.count("\n") == 1
