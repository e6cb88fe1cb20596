"""Run a study: every run that its file asks for, some at a time, on engines that stay up; then the report of all.

    python sweeps/run.py sweeps/mini.toml               what is finished is skipped, what was cut off goes on
    python sweeps/run.py sweeps/mini.toml --dry_run     say what would be run, and run nothing
    python sweeps/run.py sweeps/law_mini.toml --quick   the study's quick cut, in a folder of its own
    python sweeps/run.py sweeps/mini.toml --test 50     further flags go to every run
    python sweeps/run.py sweeps/mini.toml --until decided --at_most 10     seeds are added one by one until then

A run's results and messages go to <name>.txt and <name>.err beside its record. A run whose process dies is resumed
once, in a new one. Exit code 0: all runs succeeded; 2: the study is wrong; 3: some runs failed, which are named at the
end, or the report; 130: interrupted.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROUND_FAILED = "exit code 3:"  # what a run ends with whose training has diverged
sys.path.insert(0, str(ROOT))  # when this file is run as a script

import preprocess.common as preprocess  # noqa: E402
from sweeps.checks import check_runs  # noqa: E402
from sweeps.choosing import chosen_values, runs_left, tuning_runs  # noqa: E402
from sweeps.drivers import Driver, Sweep, kept_drivers, ray_for  # noqa: E402
from sweeps.models import PlannedModels, check_there, make, planned_models  # noqa: E402
from sweeps.study import PROGRAM, PlannedRun, Study, read_study  # noqa: E402
from sweeps.until import FOUND, check_until, further, look  # noqa: E402
from utils.command_line import OneLineParser  # noqa: E402
from utils.config import EVERY_RUNS, WITH_FLAGS  # noqa: E402
from utils.console import NOTES, notes_to_stderr  # noqa: E402
from utils.errors import UserError  # noqa: E402
from utils.flags import nearest, whole_number  # noqa: E402
from utils.machine.process import run_program  # noqa: E402
from utils.record.run_folder import RunFolder  # noqa: E402


def main(argv: list[str] | None = None) -> int:
    """Run one command line; return the exit code."""
    parser = OneLineParser(prog=PROGRAM, allow_abbrev=False, usage=f"{PROGRAM} STUDY.toml [--jobs N] "
                           "[--out DIR] [--quick] [--results] [--until decided --at_most N] [--dry_run] "
                           "[flags of main_lm.py for every run]",
                           description="Run every run that a study file asks for, then report.py.")
    parser.add_argument("study", type=Path, metavar="STUDY",
                        help="the study's TOML file, - for stdin; sweeps/study_file.py says what is in it")
    parser.add_argument("--jobs", type=whole_number, default=0,
                        help="runs at once (default: as many as have a worker each)")
    parser.add_argument("--out", type=Path, help="folder of the runs' records (default: the study's own)")
    parser.add_argument("--quick", action="store_true", help="run what the study's table [quick] leaves of it")
    parser.add_argument("--results", action="store_true", help="print each run's results when it has ended")
    parser.add_argument("--until", choices=("decided",), help="after the study's seeds, add one at a time until the "
                                                              "gain in the headline is decided")
    parser.add_argument("--at_most", type=whole_number, help="the number of seeds to end with at the latest")
    parser.add_argument("--dry_run", action="store_true", help="print each run's state and command, and run nothing")
    options, extra = parser.parse_known_args(argv)
    notes_to_stderr()
    try:
        if options.jobs < 0:
            raise UserError(f"--jobs {options.jobs}: must be a whole number from 1 (0: as many as have a worker each)")
        check_known(extra, [*vars(options)])
        if bool(options.until) != (options.at_most is not None):
            raise UserError("--until decided and --at_most N go together: give both, or neither")
        study = read_study(options.study, options.out, extra, preprocess.task_names(), options.quick)
        runs = study.runs()
        models = planned_models(study, runs)
        check_there(study, runs, options.dry_run)
        check_runs(study, runs, models)
        if any(run.config.ray_address for run in runs):
            raise UserError("--ray_address: a study starts a Ray of its own for all its runs; leave it out")
        if options.until:
            check_until(study, runs, options.at_most)
        if options.dry_run:
            print("\n".join([*(f"{one.state:9} python pretrain.py {' '.join(one.words)}" for one in models),
                             *would_be_run(study, runs)]))
            return 0
        with ray_for(max(run.config.n_gpus for run in runs)) as ray, kept_drivers() as kept:
            work = Work(ray, kept, options.jobs, options.results)
            runs = work.all_of(study, runs, models)
            for more in further(study, options.at_most) if options.until else ():
                if work.failed or look(study, runs, options.at_most) not in ("undecided", ""):
                    break
                study, runs = more, more.runs()
                runs = work.all_of(study, runs, planned_models(study, runs))
        if options.until:
            found = "" if work.failed else look(study, runs, options.at_most)
            NOTES.info("--until decided: with %d seeds the headline %s", len(study.seeds), FOUND[found])
    except UserError as error:
        NOTES.error("%s: %s", PROGRAM, error)
        return 2
    except OSError as error:
        NOTES.error("%s: %s: %s", PROGRAM, error.filename or options.out, error.strerror)
        return 2
    except KeyboardInterrupt:
        NOTES.error("%s: interrupted: the same command goes on from each run's last whole round", PROGRAM)
        return 130
    code = 3 if work.failed else 0
    if any(state(run) == "finished" for run in runs):
        tuned = [f"--tuned={','.join(study.tuned)}"] if study.tuned else []
        report = subprocess.run([sys.executable, ROOT / "report.py", study.folder, "--out", study.folder / "report",
                                 *tuned], check=False)
        code = 3 if report.returncode else code
    for name, reason in sorted(work.failed.items()):
        NOTES.error("failed: %s: %s (%s)", name, reason, study.folder / f"{name}.err")
    return code


def check_known(extra: Sequence[str], own: Sequence[str]) -> None:
    """Raise UserError for a flag that is neither of the `own` ones nor one of main_lm.py's, which are `extra`."""
    for word in extra:
        name = word.partition("=")[0].removeprefix("--")
        if word.startswith("--") and name not in EVERY_RUNS and not any(kind.owners(name) for kind in WITH_FLAGS):
            raise UserError(f"unrecognized arguments: {word}{nearest(name, (*own, *EVERY_RUNS))}")


class Work:
    """Does runs, `jobs` at once, on the cluster of `ray`, by drivers that are `kept`. `shown`: results are printed.

    `failed`: why, by name; `unmade`: the models that could not be made. A run by which a value was to be chosen, and
    that diverged, has not failed: its value is `left_out`.
    """

    def __init__(self, ray: Callable[[], str], kept: list[Driver], jobs: int, shown: bool) -> None:
        self.ray, self.kept, self.jobs, self.shown = ray, kept, jobs, shown
        self.failed: dict[str, str] = {}
        self.unmade: list[PlannedModels] = []
        self.left_out: set[str] = set()

    def all_of(self, study: Study, runs: list[PlannedRun], models: list[PlannedModels]) -> list[PlannedRun]:
        """Do a study's runs: first those that values are chosen by, then those of the chosen values; return these.

        The `models` that they start from are made before.
        """
        self.make_models(study, runs, models)
        if first := tuning_runs(study, runs):
            self.do(study, first, f"runs to choose {', '.join(study.tuned)} by")
        values = chosen_values(study, runs)
        for run in first:
            if run.cell in values and self.failed.get(run.name, "").startswith(ROUND_FAILED):
                self.left_out.add(run.name)
                del self.failed[run.name]
        for cell, value in values.items():
            NOTES.info("chosen on held-out rows: %s of %s", value, cell)
        rest = runs_left(runs, values)
        self.do(study, rest, "runs")
        return rest

    def make_models(self, study: Study, runs: list[PlannedRun], models: list[PlannedModels]) -> None:
        """Make the models that runs start from and that are not there; say which runs lack one that cannot be made."""
        models = [one for one in models if one.name not in self.failed]
        if left := [one for one in models if one.state != "finished"]:
            NOTES.info("%s: models of %d command lines of pretrain.py, %d of them finished", study.path, len(models),
                       len(models) - len(left))
            failed = make(left, study.folder, self.jobs)
            self.failed |= failed
            self.unmade += [one for one in left if one.name in failed]
        for one in self.unmade:
            NOTES.warning("%s: %d run(s) that would start from it are left out", one.name,
                          sum(one.serve(run.config) for run in runs))

    def do(self, study: Study, runs: list[PlannedRun], what: str) -> None:
        """Do those of the runs that are not finished, have not ended otherwise before, and have their model."""
        states = {run.name: state(run) for run in runs}
        ended = {*self.failed, *self.left_out, *(name for name, how in states.items() if how == "finished")}
        left = [run for run in runs
                if run.name not in ended and not any(one.serve(run.config) for one in self.unmade)]
        NOTES.info("%s: %d %s, %d of them finished; records in %s", study.path, len(runs), what,
                   list(states.values()).count("finished"), study.folder)
        if left:
            self.failed |= Sweep(study.folder, left, self.jobs, self.kept, self.shown).run(self.ray)


def would_be_run(study: Study, runs: list[PlannedRun]) -> Iterator[str]:
    """Yield a line for each run, with its state and command; or, where a value is yet to be chosen, what it is of."""
    first, values = {*tuning_runs(study, runs)}, chosen_values(study, runs)
    now = {run for run in runs if run in first} | {*runs_left(runs, values)}
    later: dict[tuple[str, int], list[str]] = {}
    for run in runs:
        if run in now:
            yield f"{state(run):9} python main_lm.py {' '.join(run.words)}"
        elif run.cell not in values:
            later.setdefault((run.cell, run.config.seed), []).append(run.value)
    for (cell, seed), tried in later.items():
        yield f"later     {cell} with --seed {seed} and the best on held-out rows of {', '.join(tried)}"


def state(run: PlannedRun) -> str:
    """Return `finished`, `resume` or `new`. Raises UserError if another run's record is in its place."""
    if not run.folder.exists():
        return "new"
    return "finished" if RunFolder(run.config).finished else "resume"


if __name__ == "__main__":
    run_program(main)
