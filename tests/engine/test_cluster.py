"""Runs that join a Ray cluster: two nodes, on which several runs wait for each other's room, give one node's bits."""

import pytest

from tests import processes
from tests.ray_cluster import LOOPBACK, ray_cluster
from tests.tiny import tiny_once
from tests.toy import toy_table


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Rows, and a tiny model."""
    base = tmp_path_factory.mktemp("cluster")
    toy_table(base / "data", 60, 24)
    tiny_once(base, "bert")
    return base


@pytest.fixture(scope="module")
def address():
    """The address of a cluster of two nodes of one core each, that listens on the loopback address alone."""
    with pytest.MonkeyPatch.context() as here, ray_cluster(2, 1) as address:
        for name, value in LOOPBACK.items():
            here.setenv(name, value)
        yield address


def test_two_nodes_give_the_bits_of_one_machine_while_runs_wait_for_room(base, address):
    """Both joined runs need both nodes, so one of them waits until the other has ended."""
    joined = [processes.start(base, name, f"--n_iterations 2 --ray_address {address} {flags}")
              for name, flags in (("reference", ""), ("message", "--transport message"))]
    done = [processes.finish(process) for process in joined]
    alone = processes.finish(processes.start(base, "alone", "--n_iterations 2"))
    assert [run.returncode for run in (*done, alone)] == [0, 0, 0], [run.stderr for run in (*done, alone)]
    assert all("on 2 worker(s)" in run.stderr for run in done)
    assert processes.model(base / "reference") == processes.model(base / "alone") == processes.model(base / "message")


@pytest.mark.parametrize("flags, message", [
    ("--n_workers 3", "2 worker(s) of --n_cpu 1 fit on its nodes, fewer than 3 (--n_workers)"),
    ("--n_cpu 2", "0 worker(s) of --n_cpu 2 fit on its nodes, fewer than 1 (--n_workers)"),
])
def test_a_run_too_large_for_the_cluster_is_refused_in_one_line(base, address, flags, message):
    done = processes.finish(processes.start(base, "large", f"--n_iterations 1 --ray_address {address} {flags}"))
    assert done.returncode == 2 and message in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    assert not (base / "large" / "summary.json").exists()
