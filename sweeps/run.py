"""Run a study: every run that its file asks for, some at a time, on engines that stay up; then the report of all.

    python sweeps/run.py sweeps/mini.toml               what is finished is skipped, what was cut off goes on
    python sweeps/run.py sweeps/mini.toml --dry_run     say what would be run, and run nothing
    python sweeps/run.py sweeps/mini.toml --test 50     further flags go to every run

A run's results and messages go to <name>.txt and <name>.err beside its record. A run whose process dies is resumed
once, in a new one. Exit code 0: all runs succeeded; 2: the study is wrong; 3: some runs failed, which are named at the
end, or the report; 130: interrupted.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # when this file is run as a script

import preprocess.common as preprocess  # noqa: E402
from sweeps.drivers import Sweep  # noqa: E402
from sweeps.study import PlannedRun, read_study  # noqa: E402
from utils.console import NOTES, notes_to_stderr  # noqa: E402
from utils.errors import UserError  # noqa: E402
from utils.machine.process import run_program  # noqa: E402
from utils.record.run_folder import RunFolder  # noqa: E402


def main(argv: list[str] | None = None) -> int:
    """Run one command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="sweeps/run.py", allow_abbrev=False, usage="sweeps/run.py STUDY.toml [--jobs "
                                     "N] [--out DIR] [--results] [--dry_run] [flags of main_lm.py for every run]",
                                     description="Run every run that a study file asks for, then report.py.")
    parser.add_argument("study", type=Path,
                        help="the study's TOML file, - for stdin; sweeps/study.py says what is in it")
    parser.add_argument("--jobs", type=int, default=0, help="runs at once (default: as many as have a worker each)")
    parser.add_argument("--out", type=Path, help="folder of the runs' records (default: the study's own)")
    parser.add_argument("--results", action="store_true", help="print each run's results when it has ended")
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
        failed = Sweep(folder, left, options.jobs, options.results).run() if left else {}
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
    if not Path(run.config.run_dir).exists():
        return "new"
    return "finished" if RunFolder(run.config).finished else "resume"


if __name__ == "__main__":
    run_program(main)
