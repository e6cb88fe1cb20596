"""The program for GPUs, rehearsed on the CPU: every check of it runs, and all that must hold does."""

import json
import sys

import pytest
import torch

from tests.processes import outcome_of
from utils.errors import UserError
from utils.machine.compiler import check_compiler

BESIDE = ("benchmarks.gpu", "--rehearse", "--seconds", "2400")


@pytest.fixture(scope="module")
def rehearsal(beside):
    """Return (stdout, what was written)."""
    try:
        check_compiler(n_gpus=0)
    except UserError as error:
        pytest.skip(str(error))
    done = beside(BESIDE)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout, json.loads((done.out / "gpu.json").read_text())


def test_every_check_runs_and_is_a_row_of_the_table(rehearsal):
    stdout, written = rehearsal
    assert written["not_run"] == {} and written["torch"] == torch.__version__
    assert stdout.startswith("card no card: a rehearsal on the CPU, driver none")
    assert all(f"| {figure['what']} |" in stdout for figure in written["figures"])
    assert stdout.rstrip().endswith("0 of what must hold does not.")


@pytest.mark.parametrize("words", [
    "float32 product", "TF32 switched off", "card against cpu: largest difference", "card against cpu: distance",
    "compiled against cpu: distance", "saved model's test loss", "bf16, 6 rounds", "workers at --gpus_per_client 0.5",
    "two workers on a card against one", "two runs with --deterministic", "a worker killed",
    "--resume, all with --deterministic", "gradient of a packed batch in fp32",
    "gradient of a packed batch in bf16"])
def test_what_must_hold_does(rehearsal, words):
    found = [figure for figure in rehearsal[1]["figures"] if words in figure["what"]]
    assert len(found) == 1 and found[0]["target"] and found[0]["holds"] is True


def test_speed_is_measured_in_each_way_and_against_stock_flower(rehearsal):
    figures = {figure["what"]: figure["value"] for figure in rehearsal[1]["figures"]}
    for words in ("padded: training", "packed: training", "compiled: training", "first training step", "bare PyTorch",
                  "federated over bare", "times faster than stock", "2 at once: times faster", "packed: a step of",
                  "compiled: a step of", "padded: evaluation", "compiled: evaluation"):
        assert [value > 0 for what, value in figures.items() if words in what].count(True) >= 1, words


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_without_a_card_it_says_so():
    done = outcome_of([sys.executable, "-m", "benchmarks.gpu"])
    assert done.returncode == 2 and "no CUDA card here; --rehearse" in done.stderr and not done.stdout
