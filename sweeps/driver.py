"""A driver of a study's runs: what main_lm.py does, for one command line after another, on one engine that stays up.

Started by sweeps/drivers.py. It reads a JSON line for each run from stdin, {"words": the flags, "results" and
"messages": the files that its stdout and stderr are added to}, and answers with its exit code on a line of stdout. It
ends where stdin does.
"""

import gc
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this file is run as a script

import main_lm
from engine.cluster import Cluster
from engine.engine import Engine, running_engine
from utils.machine.process import outcome, redirect, run_program
from utils.machine.workers import pause_collector


class OpenEngine:
    """The engine of the first run, which the later ones find open; `stack` closes it."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.engine: Engine | None = None

    @contextmanager
    def __call__(self, cluster: Cluster, client: str) -> Iterator[Engine]:
        """Yield the engine, as `running_engine` does for the first run."""
        if self.engine is None:
            cluster.is_here = True  # the study has started it, and this process
            self.engine = self.stack.enter_context(running_engine(cluster, client))
        yield self.engine


def main() -> int:
    """Do all runs; return the exit code."""
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    redirect(0)  # nothing that a run starts or asks may take the next run's request, or write an answer
    os.dup2(2, 1)
    try:
        import_libraries()
        do_all(requests, answers)
        return 0
    except KeyboardInterrupt:  # between two runs, or before the first
        return 130


def do_all(requests: TextIO, answers: TextIO) -> None:
    """Do the runs that are asked for, and answer each."""
    with ExitStack() as stack:
        opened = OpenEngine(stack)
        for line in requests:
            run = json.loads(line)
            for descriptor, file in ((1, run["results"]), (2, run["messages"])):
                add_to(descriptor, file)
            code = outcome(lambda: main_lm.main(run["words"], opened))
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):  # a full disk, of which the run has spoken
                    stream.flush()
            print(code, file=answers, flush=True)
            gc.unfreeze()  # what the run has made, of which modules stay
            gc.collect()


def import_libraries() -> None:
    """Import what each run takes, while the study still starts its Ray."""
    pause_collector()
    import flwr.simulation  # noqa: F401
    import ray  # noqa: F401

    import engine.set_up  # noqa: F401
    import utils.record.recorder  # noqa: F401


def add_to(descriptor: int, file: str) -> None:
    """Have what is written to a descriptor added to a file."""
    opened = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.dup2(opened, descriptor)
    os.close(opened)


if __name__ == "__main__":
    run_program(main)
