"""The runs of a study, some at a time, on one Ray cluster: which run goes to which driver, and what comes of it."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from engine.cluster import OwnCluster, ray_folder
from sweeps.board import Board, last_words
from sweeps.study import PlannedRun
from utils.config import RunConfig
from utils.console import NOTES
from utils.errors import UserError
from utils.machine.process import interrupted_by
from utils.machine.workers import Machine, check_machine, quiet_environment, usable_cores, workers_for

PROGRAM = Path(__file__).with_name("driver.py")
TRIES = 2  # of a run whose process dies: it is resumed once
GOES_ON = (0, 3)  # exit codes of runs that leave their driver fit for another: a round that fails keeps nothing from it


class Shape(NamedTuple):
    """What the workers of a run are: the cores of each, the GPUs in all and of each, and their number."""

    n_cpu: float
    n_gpus: int
    gpus_per_worker: float
    workers: int


class Driver:
    """A process of sweeps/driver.py: it keeps the engine of its first run, for others with workers of its `shape`."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        # In a group of its own: a terminal's Ctrl-C reaches it once, from the study
        self.process = subprocess.Popen([sys.executable, PROGRAM], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, start_new_session=True)

    def run(self, words: list[str], results: Path, messages: Path) -> int | None:
        """Do the run of a command line; return its exit code, or None if the process has died of it.

        What it writes to stdout and stderr is added to the files `results` and `messages`.
        """
        assert self.process.stdin and self.process.stdout  # pipes
        request = {"words": words, "results": str(results.absolute()), "messages": str(messages.absolute())}
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            return None
        answer = self.process.stdout.readline()
        return int(answer) if answer else None

    def end(self) -> int:
        """Have it end; return the process's own exit code, -N after signal N."""
        assert self.process.stdin
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it has gone already
        return self.process.wait()


@contextmanager
def ray_for(n_gpus: int) -> Iterator[Callable[[], str]]:
    """Yield what returns the address of a study's Ray cluster, with that many GPUs: it starts at the first call."""
    with ExitStack() as stack:
        @cache
        def address() -> str:
            cluster = OwnCluster(Machine(usable_cores(), n_gpus, 0.0))
            folder = stack.enter_context(ray_folder())
            stack.callback(cluster.stop)
            cluster.start(folder)
            interrupted_by(signal.SIGTERM)  # Ray has taken it
            return cluster.address

        quiet_environment(own_ray=True)
        yield address


@contextmanager
def kept_drivers() -> Iterator[list[Driver]]:
    """Yield a list for drivers that wait for a study's further runs; they end after the `with`."""
    kept: list[Driver] = []
    try:
        yield kept
    finally:
        for driver in kept:
            driver.end()


class Sweep:
    """Has the runs `left` done, `jobs` at a time (0, or too many: as many as have a worker each), on one Ray cluster.

    The machine's cores or GPUs are shared out evenly; a run's bits do not depend on how many it has. Each job has a
    driver, one of those `kept` from other runs if there is one, which goes from one run to the next and is kept again.
    A run's stdout is added to <name>.txt in `folder`, and its stderr is <name>.err; `shown`: what was added to the
    first is also printed here.
    """

    def __init__(self, folder: Path, left: list[PlannedRun], jobs: int, kept: list[Driver],
                 shown: bool = False) -> None:
        for run in left:
            check_machine(run.config)
            if run.config.n_workers > fitting(run.config):
                raise UserError(f"--n_workers {run.config.n_workers}: the runs of a study share this machine's "
                                f"{usable_cores()} cores; {run.name} needs more")
        self.folder = folder
        self.waiting, self.board = list(left), Board(len(left), "run")
        most = min(fitting(run.config) // max(1, run.config.n_workers) for run in left)
        if jobs > most:
            NOTES.warning("--jobs %d: only %d fit on this machine with their workers", jobs, most)
        self.jobs = min(jobs or most, most, len(left))
        self.shown = shown
        self.address: Future[str] = Future()  # of the cluster; "" if there is none
        self.kept, self.drivers = kept, {*kept}
        self.stopped = False
        self.lock = threading.Lock()  # of all that the jobs share

    def run(self, ray: Callable[[], str]) -> dict[str, str]:
        """Do them all on the cluster of `ray`; return why, by name, of those that failed.

        An interrupt ends those at work, too.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        while len(self.kept) > self.jobs:
            self.end(self.kept.pop())
        with self.board.shown(), ThreadPoolExecutor(self.jobs) as pool:
            try:
                jobs = [pool.submit(self.job) for _ in range(self.jobs)]
                self.address.set_result(ray())
                while wait(jobs, timeout=1).not_done:
                    self.board.refresh()
                for job in jobs:
                    job.result()  # raises what it raised
            except BaseException:
                self.stop()
                raise
        return self.board.failed

    def stop(self) -> None:
        """Begin no run any more, and end those at work."""
        with self.lock:
            self.stopped = True
            for driver in self.drivers:
                driver.process.terminate()  # a shell's background job, and so its runs, may ignore Ctrl-C
        if not self.address.done():
            self.address.set_result("")

    def job(self) -> None:
        """Do one run after another, until none is left."""
        with self.lock:
            driver = self.kept.pop() if self.kept else None
        try:
            while run := self.next_run(driver.shape if driver else None):
                driver = self.whole(run, driver)
        finally:
            with self.lock:
                self.kept += [driver] if driver else []

    def next_run(self, shape: Shape | None) -> PlannedRun | None:
        """Take the next run, if there is one that has workers of `shape`."""
        with self.lock:
            if not self.waiting or self.stopped:
                return None
            run = next((run for run in self.waiting if self.shape(run.config) == shape), self.waiting[0])
            self.waiting.remove(run)
            self.board.start(run.name)
            return run

    def whole(self, run: PlannedRun, driver: Driver | None) -> Driver | None:
        """Do a run, twice if its process dies of it; return the driver for the next one."""
        results, messages = (self.folder / f"{run.name}.{ending}" for ending in ("txt", "err"))
        with results.open("a") as out, messages.open("w"):
            before = out.tell()
        for number in range(1, TRIES + 1):
            driver = self.driver_for(run.config, driver)
            address = self.address.result()
            if not driver or not address:
                return driver
            words = [*run.words, "--ray_address", address]
            if not run.config.n_workers:
                words += ["--n_workers", str(self.shape(run.config).workers)]
            code = driver.run(words, results, messages)
            if code in GOES_ON:
                break
            died, exit_code, driver = code is None, self.end(driver), None
            if not died or self.stopped:
                break
            code = exit_code or 1  # without a record of its end it is none
            if number < TRIES:
                NOTES.warning("%s: its process died (exit code %d): it is resumed in a new one", run.name, code)
        self.ended(run.name, code, results, before)
        return driver

    def ended(self, name: str, code: int | None, results: Path, before: int) -> None:
        """Note how a run has ended; its results begin in their file at byte `before`."""
        with self.lock:
            if self.stopped:
                return
            said = last_words((self.folder / f"{name}.err").read_text(errors="replace"))
            self.board.end(name, f"exit code {code}: {said}" if code else "")
            if self.shown:
                with results.open() as lines:
                    lines.seek(before)
                    print(lines.read(), end="", flush=True)

    def driver_for(self, config: RunConfig, driver: Driver | None) -> Driver | None:
        """Return a driver of the workers that a run has: `driver`, if it is one and lives, or a new one.

        Returns None once the study is stopped.
        """
        shape = self.shape(config)
        if driver and driver.shape == shape and driver.process.poll() is None:
            return driver
        self.end(driver)
        with self.lock:
            if self.stopped:
                return None
            new = Driver(shape)
            self.drivers.add(new)
        return new

    def end(self, driver: Driver | None) -> int:
        """End a driver, if there is one; return its process's exit code."""
        if driver is None:
            return 0
        code = driver.end()
        with self.lock:
            self.drivers.discard(driver)
        return code

    def shape(self, config: RunConfig) -> Shape:
        """Return what the workers of a run are."""
        return Shape(config.n_cpu, config.n_gpus, config.gpus_per_client if config.n_gpus else 0.0,
                     config.n_workers or max(1, fitting(config) // self.jobs))


def fitting(config: RunConfig) -> int:
    """Return how many workers of a run fit on this machine."""
    return workers_for(config, usable_cores(), config.n_gpus)
