"""The benchmarks, made small: a made-up task and a tiny model. Each is a process, and three of them run at once.

    python -m tests.small_benchmarks --out FOLDER

FOLDER gets NAME.json of each, NAME.out and NAME.err, what it has written. They are forked from a process that has
imported what they all import; exit code 1: some have failed.
"""

import importlib
import multiprocessing
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

PROGRAMS = {
    "end_to_end": ["--small"],
    "study": ["--small"],
    "federated_tax": ["--small"],
    "data_plane": ["--small", "--rounds", "2"],
    "startup": ["--small", "--repetitions", "1"],
    "many_clients": ["--small"],
    "batching": ["--small"],
    "arithmetic": ["--small", "--turns", "1"],
    "long_run": ["--small"],
    "scale": ["--small"],
    "adapters": ["--small"],
    "two_nodes": ["--small", "--turns", "1"],
    "methods": ["--small", "--turns", "1"],
    "trainer": ["--small", "--seeds", "1"],
}
SECONDS = 1200  # of a program, after which it hangs


def measure(out: Path, name: str) -> None:
    """Be the process of one of PROGRAMS."""
    signal.alarm(SECONDS)
    for descriptor, kind in ((1, "out"), (2, "err")):
        os.dup2(os.open(out / f"{name}.{kind}", os.O_WRONLY | os.O_CREAT, 0o666), descriptor)
    sys.argv = [name, *PROGRAMS[name], "--out", str(out)]
    try:
        importlib.import_module(f"benchmarks.{name}").main()
    finally:
        sys.stdout.flush()


def main(out: Path) -> int:
    """Run them all; return the exit code."""
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload([f"benchmarks.{name}" for name in PROGRAMS])
    with ProcessPoolExecutor(3, fresh, max_tasks_per_child=1) as pool:
        done = {name: pool.submit(partial(measure, out), name) for name in PROGRAMS}
    failed = {name: one.exception() for name, one in done.items() if one.exception()}
    for name, failure in failed.items():
        with (out / f"{name}.err").open("a") as file:
            print(f"{type(failure).__name__}: {failure}", file=file)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[sys.argv.index("--out") + 1])))
