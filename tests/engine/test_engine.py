"""An engine that runs one run after another: the bits of each alone, also after one that was interrupted."""

import subprocess
import sys

import pytest

from tests import processes
from tests.conftest import ROOT
from tests.engine.several_runs import RUNS, SERVED
from tests.tiny import tiny_once
from tests.toy import toy_choices, toy_table


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Rows and models, and the records of the runs on one engine."""
    base = tmp_path_factory.mktemp("several")
    toy_table(base / "data")
    toy_choices(base / "data")
    for family in ("bert", "electra"):
        tiny_once(base, family)
    done = subprocess.run([sys.executable, "-m", "tests.engine.several_runs", base], cwd=ROOT, capture_output=True,
                          text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "interrupted after round" in done.stdout
    assert not (base / "interrupted" / "summary.json").exists()
    return base


@pytest.mark.parametrize("name", RUNS)
def test_a_run_on_an_engine_that_has_run_others_gives_the_bits_of_one_alone(base, name):
    task, family, flags = RUNS[name]
    alone = processes.finish(processes.start(base, f"{name}-alone", flags, family, task))
    assert alone.returncode == 0, alone.stderr
    assert processes.model(base / name) == processes.model(base / f"{name}-alone")
    assert (base / name / "rounds.jsonl").read_text().count("\n") == 3


def test_flowers_own_server_can_drive_the_strategy(base):
    """With the same bits: every draw goes by the run's seed, the round and the client, none by the server's loop."""
    alone = processes.finish(processes.start(base, "served-alone", SERVED))
    assert alone.returncode == 0, alone.stderr
    assert processes.model(base / "served") == processes.model(base / "served-alone")
