"""Methods of every kind through whole runs: one worker or two, a worker killed, the run killed and resumed."""

import subprocess
from pathlib import Path

import pytest

from tests.processes import finish, kill, model, newest, start, wait_until, workers
from tests.tiny import tiny_once
from tests.toy import toy_table

METHODS = {  # one with client states and two vectors out and back, one that needs all updates at once, and measures
    "scaffold": "--strategy scaffold --n_clients 5 --frac_fit 0.6 --n_iterations 24 --skip_evalnum 24",
    "fisher": "--strategy fisher --probe_rows 4 --client_average swa --n_clients 5 --min_success 4 --n_iterations 8 "
              "--skip_evalnum 8",
}
LONG = "--max_length 32 --batch_size 4"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with rows and a model."""
    folder = tmp_path_factory.mktemp("methods")
    toy_table(folder / "data")
    tiny_once(folder, "bert")
    return folder


def whole(process: subprocess.Popen, folder: Path) -> bytes:
    """Return the weights of a run that must end well."""
    done = finish(process)
    assert done.returncode == 0, done.stderr[-3000:]
    return model(folder)


@pytest.mark.parametrize("method", METHODS)
def test_a_kill_a_resume_and_the_number_of_workers_change_no_bit(base, method):
    def begun(name: str, more: str = "") -> subprocess.Popen:
        return start(base, name, f"{LONG} {METHODS[method]} {more}")

    alone = whole(begun(f"{method}-alone", "--n_workers 1 --transport message"), base / f"{method}-alone")

    killed = begun(f"{method}-killed")
    wait_until(lambda: newest(base / f"{method}-killed") >= 2 and workers(killed.pid), killed)
    kill(workers(killed.pid)[0])
    assert whole(killed, base / f"{method}-killed") == alone

    resumed = base / f"{method}-resumed"
    cut_off = begun(resumed.name)
    wait_until(lambda: newest(resumed) >= 3, cut_off)
    kill(cut_off.pid)
    cut_off.communicate()
    assert not (resumed / "summary.json").exists()
    assert whole(begun(resumed.name, "--resume"), resumed) == alone
