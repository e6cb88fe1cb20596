"""Methods of every kind through whole runs: one worker or two, a worker killed, the run killed and resumed."""

import pytest

from tests.processes import command, drive, finish, kill, model, newest, start, wait_until, workers
from tests.tiny import tiny_once
from tests.toy import toy_table

METHODS = {  # one with client states and two vectors out and back, one that needs all updates at once, and measures
    "scaffold": "--strategy scaffold --n_clients 5 --frac_fit 0.6 --n_iterations 24 --skip_evalnum 24",
    "fisher": "--strategy fisher --probe_rows 4 --client_average swa --n_clients 5 --min_success 4 --n_iterations 16 "
              "--skip_evalnum 16",
}
LONG = "--max_length 32 --batch_size 4"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with rows, a model, and each method's run to which nothing happens, by one worker and by message."""
    folder = tmp_path_factory.mktemp("methods")
    toy_table(folder / "data")
    tiny_once(folder, "bert")
    drive([command(folder, f"{method}-alone", f"{LONG} {flags} --n_workers 1 --transport message")
           for method, flags in METHODS.items()])
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_a_kill_a_resume_and_the_number_of_workers_change_no_bit(base, method):
    """A worker is killed; the run goes on, is killed itself, and resumed."""
    folder, flags = base / method, f"{LONG} {METHODS[method]}"
    cut_off = start(base, method, flags)
    wait_until(lambda: newest(folder) >= 2 and workers(cut_off.pid), cut_off)
    kill(workers(cut_off.pid)[0])
    reached = newest(folder)
    wait_until(lambda: newest(folder) >= reached + 2, cut_off)  # the killed worker's round has ended
    kill(cut_off.pid)
    cut_off.communicate()
    assert not (folder / "summary.json").exists() and (folder / "failures.jsonl").exists()
    done = finish(start(base, method, f"{flags} --resume"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert model(folder) == model(base / f"{method}-alone")
