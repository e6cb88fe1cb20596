"""The comparison of runs, from records written by hand."""

import json
import subprocess
import sys

import pytest

from sweeps.compare import mean_std, table
from sweeps.curves import draw, read_curve
from sweeps.records import read_comparisons
from tests.conftest import ROOT
from utils.errors import UserError


def write_run(folder, method, seed, scores, **flags):
    """A finished run of two rounds whose domains a and b have the final `scores`."""
    folder.mkdir(parents=True)

    def result(factor):
        domains = {name: {"rows": 10, "loss": 0.5, "accuracy": factor * score} for name, score in zip("ab", scores)}
        return {"rows": 20, "loss": 0.5, "accuracy": factor * sum(scores) / 2, "domains": domains}

    rounds = [{"round": 0, "clients": [], "test": result(0.5)}, {"round": 1, "clients": [{"rows": 6}]},
              {"round": 2, "clients": [{"rows": 6}], "test": result(1.0)}]
    (folder / "rounds.jsonl").write_text("".join(json.dumps(record) + "\n" for record in rounds))
    flags = {"data": "toy", "seed": seed, "epoch": 2, "lr": 1e-4, "test": 0, "test_split": "", "max_length": 9} | flags
    (folder / "config.json").write_text(json.dumps({
        "method": method, "flags": flags, "shards": [{"a": 6}], "data_fingerprint": flags["data"]}))
    (folder / "summary.json").write_text(json.dumps({
        "data": flags["data"], "model": "m", "method": method, "seed": seed, "rows_trained": 24, "test": result(1.0),
        "majority": {"accuracy": 0.5, "domains": {"a": {"accuracy": 0.4}, "b": {"accuracy": 0.6}}}}))
    return folder


@pytest.fixture
def runs(tmp_path):
    write_run(tmp_path / "c1", "centralized", 1, (0.8, 0.6))
    write_run(tmp_path / "c2", "centralized", 2, (0.7, 0.5))
    write_run(tmp_path / "i1", "iid", 1, (0.9, 0.7))
    write_run(tmp_path / "i2", "iid", 2, (0.7, 0.5))
    write_run(tmp_path / "i3", "iid", 3, (0.1, 0.1))  # no such seed in the baseline: no part of the gain
    return tmp_path


def test_mean_and_sample_deviation_in_points():
    assert mean_std([0.5]) == "50.0"
    assert mean_std([0.5, 0.7]) == "60.0 ± 14.1"  # sqrt(2) · 10


def test_gains_are_paired_by_seed(runs):
    header, central, iid, majority = table(read_comparisons([runs])[0], "centralized")
    assert header == ["method", "seeds", "rows trained", "accuracy", "a", "b", "gain over centralized"]
    assert central == ["centralized", "2", "24", "65.0 ± 7.1", "75.0 ± 7.1", "55.0 ± 7.1", ""]
    assert iid[1] == "3" and iid[-1] == "+5.0 ± 7.1"
    assert majority == ["majority class", "", "0", "50.0", "40.0", "60.0", ""]


def test_the_command_prints_a_markdown_table_for_each_task(runs):
    write_run(runs / "other", "iid", 1, (0.2, 0.2), data="other")
    done = subprocess.run([sys.executable, "-m", "sweeps.compare", runs], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "other, m\n" in done.stdout and "toy, m\n" in done.stdout
    rows = done.stdout.split("toy, m\n\n")[1].split("\n\n")[0].splitlines()
    assert len(rows) == 5 and len({len(row) for row in rows}) == 1  # header, rule, two methods, majority


@pytest.mark.parametrize("module", ["sweeps.compare", "sweeps.curves"])
def test_no_runs_is_an_error(module, tmp_path):
    done = subprocess.run([sys.executable, "-m", module, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "no finished run" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("seed, flags, message", [
    (1, {}, "both iid with --seed 1"), (4, {"lr": 1e-3, "epoch": 1}, "both iid but differ in --epoch, --lr")])
def test_runs_that_are_no_repetitions_are_not_averaged(runs, seed, flags, message):
    write_run(runs / "more", "iid", seed, (0.2, 0.2), **flags)
    with pytest.raises(UserError, match=message):
        read_comparisons([runs])


def test_runs_on_other_test_rows_are_compared_apart(runs):
    write_run(runs / "more", "iid", 1, (0.2, 0.2), test=50)
    titles = [compared.title for compared in read_comparisons([runs])]
    assert titles == ["toy, m", "toy, m, 50 rows per domain"]


def test_curves_have_a_point_per_evaluation(runs):
    compared = read_comparisons([runs])[0]
    curve = read_curve(compared.methods["centralized"][0], "accuracy")
    assert curve["all domains"] == [(0.0, 0.35), (4.0, 0.7)]  # 2 rounds of 2 epochs over 6 of 6 rows
    assert list(curve) == ["all domains", "a", "b"]
    draw(compared, runs / "out.png")
    assert (runs / "out.png").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_refuses_to_pass_off_runs_of_other_flags(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "summary.json").touch()
    (tmp_path / "a.flags").write_text("--lr 1\n")
    script = f". sweeps/common.sh; OUT={tmp_path}; run a --lr %s; echo went on"
    same, other = (subprocess.run(["bash", "-c", script % lr], cwd=ROOT, capture_output=True, text=True)
                   for lr in ("1", "2"))
    assert (same.returncode, same.stdout) == (0, "went on\n")
    assert (other.returncode, other.stdout) == (2, "") and "was run with other flags (--lr 1)" in other.stderr
