"""A Ray cluster of some nodes on this machine, for runs that join it by --ray_address."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

from engine.cluster import ray_folder
from tests.conftest import ROOT

#: the environment of the cluster and of what joins it: else Ray makes the machine's own address of 127.0.0.1
LOOPBACK = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
TRIES = 3
STORE_BYTES = 3_000_000_000  # of each node; only what is used is taken


@contextmanager
def ray_cluster(nodes: int, cores: int) -> Iterator[str]:
    """Start a cluster of so many nodes with `cores` each; yield its address, on loopback; end it.

    It is a process of its own, which ends when this one does, too. Raises RuntimeError, with the last that it has said,
    where none comes up: on a busy machine a node of Ray may give up waiting for another, so it is tried again.
    """
    for _ in range(TRIES):
        with TemporaryFile("w+") as said, subprocess.Popen(
                [sys.executable, "-m", "tests.ray_cluster", str(nodes), str(cores)], cwd=ROOT, text=True, stderr=said,
                env={**os.environ, **LOOPBACK}, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cluster:
            assert cluster.stdout is not None  # a pipe
            if address := cluster.stdout.readline().strip():
                yield address
                return
            cluster.wait()
            said.seek(0)
            last_words = said.read()[-2000:]
    raise RuntimeError(f"no cluster of {nodes} nodes came up in {TRIES} tries: {last_words}")


def main(nodes: int, cores: int) -> None:
    """Run a cluster until stdin ends."""
    from ray.cluster_utils import Cluster

    with ray_folder() as folder:
        cluster = Cluster()
        try:
            for _ in range(nodes):
                # By itself a test's cluster has an object store so small that it spills vectors to disk
                cluster.add_node(num_cpus=cores, include_dashboard=False, object_store_memory=STORE_BYTES,
                                 temp_dir=str(folder))
            print(cluster.address, flush=True)
            sys.stdin.read()
        finally:
            cluster.shutdown()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
