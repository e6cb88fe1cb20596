"""Run a study: every run that its file asks for, some at a time, on one Ray cluster; then the report of all.

    python sweeps/run.py sweeps/mini.toml               what is finished is skipped, what was cut off goes on
    python sweeps/run.py sweeps/mini.toml --dry_run     say what would be run, and run nothing
    python sweeps/run.py sweeps/mini.toml --test 50     further flags go to every run

A run's results and messages go to <name>.txt and <name>.err beside its record. Exit code 0: all runs succeeded; 2: the
study is wrong; 3: some runs failed, which are named at the end, or the report; 130: interrupted.
"""

import argparse
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # when this file is run as a script

import preprocess.common as preprocess  # noqa: E402
from engine.cluster import OwnCluster, ray_folder  # noqa: E402
from sweeps.study import PlannedRun, read_study  # noqa: E402
from utils.console import NOTES, notes_to_stderr  # noqa: E402
from utils.errors import UserError  # noqa: E402
from utils.machine.process import begin, interrupted_by, leave  # noqa: E402
from utils.machine.workers import Machine, check_machine, machine_for, quiet_environment, usable_cores, workers_for  # noqa: E402
from utils.record.run_folder import finished, run_folder  # noqa: E402


def main(argv: list[str] | None = None) -> int:
    """Run one command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="sweeps/run.py", allow_abbrev=False, usage="sweeps/run.py STUDY.toml [--jobs "
                                     "N] [--out DIR] [--dry_run] [flags of main_lm.py for every run]",
                                     description="Run every run that a study file asks for, then report.py.")
    parser.add_argument("study", type=Path, help="the study's TOML file; sweeps/study.py says what is in it")
    parser.add_argument("--jobs", type=int, default=0, help="runs at once (default: as many as have a worker each)")
    parser.add_argument("--out", type=Path, help="folder of the runs' records (default: the study's own)")
    parser.add_argument("--dry_run", action="store_true", help="print each run's state and command, and run nothing")
    options, extra = parser.parse_known_args(argv)
    notes_to_stderr()
    try:
        if options.jobs < 0:
            raise UserError(f"--jobs {options.jobs}: must be a whole number from 1 (0: as many as have a worker each)")
        folder, runs = read_study(options.study, options.out, extra, preprocess.task_names())
        if any(run.config.ray_address for run in runs):
            raise UserError("--ray_address: a study starts a Ray of its own for all its runs; leave it out")
        states = {run.name: state(run) for run in runs}
        if options.dry_run:
            for run in runs:
                print(f"{states[run.name]:9} python main_lm.py {' '.join(run.words)}")
            return 0
        left = [run for run in runs if states[run.name] != "finished"]
        NOTES.info("%s: %d runs, %d of them finished; records in %s", options.study, len(runs),
                   len(runs) - len(left), folder)
        failed = Sweep(folder, left, options.jobs).run() if left else {}
    except UserError as error:
        NOTES.error("sweeps/run.py: %s", error)
        return 2
    except OSError as error:
        NOTES.error("sweeps/run.py: %s: %s", error.filename or options.out, error.strerror)
        return 2
    except KeyboardInterrupt:
        NOTES.error("sweeps/run.py: interrupted: the same command goes on from each run's last whole round")
        return 130
    code = 3 if failed else 0
    if len(failed) < len(runs):
        report = subprocess.run([sys.executable, ROOT / "report.py", folder, "--out", folder / "report"], check=False)
        code = 3 if report.returncode else code
    for name, reason in sorted(failed.items()):
        NOTES.error("failed: %s: %s (%s)", name, reason, folder / f"{name}.err")
    return code


def state(run: PlannedRun) -> str:
    """Return `finished`, `resume` or `new`. Raises UserError if another run's record is in its place."""
    folder = run_folder(run.config) if Path(run.config.run_dir).exists() else None
    return "new" if folder is None else "finished" if finished(folder) else "resume"


class Sweep:
    """Runs main_lm.py for each of `left`, `jobs` at a time (0: as many as have a worker each), on one Ray cluster.

    The machine's cores or GPUs are shared out evenly; a run's bits do not depend on how many it has.
    """

    def __init__(self, folder: Path, left: list[PlannedRun], jobs: int) -> None:
        for run in left:
            check_machine(run.config)
            if run.config.n_workers > workers_for(run.config, usable_cores(), run.config.n_gpus):
                raise UserError(f"--n_workers {run.config.n_workers}: the runs of a study share this machine's "
                                f"{usable_cores()} cores; {run.name} needs more")
        most = min(machine_for(run.config, usable_cores()).workers for run in left)  # workers of the largest runs
        self.folder = folder
        self.left = left
        self.jobs = min(jobs or most, len(left))
        self.workers = max(1, most // self.jobs)
        self.running: dict[str, subprocess.Popen] = {}
        self.failed: dict[str, str] = {}  # why, by name
        self.done = 0
        self.stopped = False
        self.lock = threading.Lock()  # of the four above

    def run(self) -> dict[str, str]:
        """Run them all; return `failed`. An interrupt ends those at work, too."""
        quiet_environment(own_ray=True)
        from tqdm import tqdm

        self.folder.mkdir(parents=True, exist_ok=True)
        n_gpus = max(run.config.n_gpus for run in self.left)
        with ExitStack() as stack:
            cluster = OwnCluster(Machine(usable_cores(), n_gpus, 0.0))
            cluster.start(stack.enter_context(ray_folder()))
            interrupted_by(signal.SIGTERM)  # Ray has taken it
            stack.callback(cluster.stop)
            self.began = time.monotonic()
            # On a terminal one line shows the whole; elsewhere each run's beginning and end is a line.
            self.bar = stack.enter_context(tqdm(total=len(self.left), unit="run", disable=not sys.stderr.isatty(),
                                                dynamic_ncols=True))
            with ThreadPoolExecutor(self.jobs) as pool:
                try:
                    futures = [pool.submit(self.run_one, run, cluster.address) for run in self.left]
                    while wait(futures, timeout=1).not_done:
                        self.bar.refresh()  # its time
                    for future in futures:
                        future.result()  # raises what it raised
                except KeyboardInterrupt:
                    with self.lock:
                        self.stopped = True
                        for process in self.running.values():
                            process.terminate()  # a shell's background job, and so its runs, may ignore Ctrl-C
                    raise
        return self.failed

    def run_one(self, run: PlannedRun, address: str) -> None:
        """Run one run to its end, in the Ray at `address`; do nothing once the study is stopped."""
        words = [*run.words, "--ray_address", address]
        if not run.config.n_workers:
            words += ["--n_workers", str(self.workers)]
        results, messages = (self.folder / f"{run.name}.{ending}" for ending in ("txt", "err"))
        with self.lock:
            if self.stopped:
                return
            with results.open("a") as out, messages.open("w") as err:
                # In a group of its own: a terminal's Ctrl-C reaches it once, from here
                process = subprocess.Popen([sys.executable, ROOT / "main_lm.py", *words], stdout=out, stderr=err,
                                           start_new_session=True)
            self.running[run.name] = process
            self.show("started", run.name)
        code = process.wait()
        with self.lock:
            del self.running[run.name]
            if self.stopped:
                return
            self.done += 1
            if code:
                *_, last = ["it said nothing", *messages.read_text(errors="replace").strip().splitlines()]
                self.failed[run.name] = f"exit code {code}: {last}"
            self.bar.update()
            self.show("failed" if code else "finished", run.name)

    def show(self, event: str, name: str) -> None:
        """Show what became of a run, and how far the whole is."""
        self.bar.set_postfix_str(f"{len(self.running)} running, {len(self.failed)} failed")
        if self.bar.disable:
            seconds = time.monotonic() - self.began
            left = len(self.left) - self.done
            rest = f", about {seconds / self.done * left / 60:.0f} min left" if self.done else ""
            NOTES.info("[%6.1f s] %s %s: %d of %d done, %d running, %d failed%s", seconds, event, name, self.done,
                       len(self.left), len(self.running), len(self.failed), rest)


if __name__ == "__main__":
    begin()
    leave(main())
