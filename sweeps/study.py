"""A study → the runs it asks for, each with its name and its flags. sweeps/study_file.py says what is in its file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from reports.records import NOT_TUNED
from sweeps.arms import Arm, Flags, of_one_client, ready_arms
from sweeps.places import filled
from sweeps.study_file import parse_study
from utils.command_line import parse_flags
from utils.config import RunConfig
from utils.errors import UserError
from utils.file_names import file_name
from utils.record.runlog import SUMMARY

PROGRAM = "sweeps/run.py"  # what its messages begin with


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study: `name` says what sets it apart; `words` are its flags as main_lm.py takes them.

    `cell` names its arm, rung and point of the grid, but for the seed; `value` what it has of the flags that are tuned,
    "" if there is nothing to choose.
    """

    name: str
    words: tuple[str, ...]
    config: RunConfig
    cell: str
    value: str = ""

    @property
    def folder(self) -> Path:
        """The folder of its record."""
        return Path(self.config.run_dir)

    @cached_property
    def what(self) -> RunConfig:
        """What the run is, wherever its record goes."""
        return replace(self.config, run_dir="")

    @property
    def has_ended(self) -> bool:
        """Whether its record is that of a finished run."""
        return (self.folder / SUMMARY).is_file()


Planned = tuple[PlannedRun, Arm, str]  # with its arm, and the name of its rung


@dataclass(frozen=True)
class Study:
    """What is asked for: the tables of the file `path`, the records' `folder`, the flags `extra` of every run."""

    path: Path
    tables: dict[str, Any]
    folder: Path
    extra: tuple[str, ...]
    tasks: tuple[str, ...]

    @property
    def seeds(self) -> list[int]:
        """The grid's seeds; [] if it has none."""
        return self.tables.get("grid", {}).get("seed", [])

    @property
    def tuned(self) -> list[str]:
        """The flags of which a value is chosen for each arm."""
        own = (flags.get("tune", {}) for flags in (*self.methods.values(), *self.rungs.values()))
        tables = (self.tables.get("tune", {}), *own)
        return sorted({name for table in tables for name in table} - {"seeds"})

    @property
    def tuning_seeds(self) -> list[int]:
        """The seeds of the runs by which values are chosen; [] where all runs have one seed."""
        return self.tables.get("tune", {}).get("seeds", self.seeds[:1])

    @property
    def methods(self) -> dict[str, Flags]:
        """The study's own methods, with what each is tuned by."""
        return self.tables.get("methods", {} if "baselines" in self.tables else {"run": {}})

    @property
    def rungs(self) -> dict[str, Flags]:
        """The representations that are compared, with what each is tuned by; one without a name where none has one."""
        return self.tables.get("rungs", {"": {}})

    def with_seeds(self, seeds: Sequence[int]) -> "Study":
        """Return the same study on other seeds, chosen values by the same ones."""
        tune = self.tables.get("tune", {}) | {"seeds": self.tuning_seeds}
        grid = self.tables.get("grid", {}) | {"seed": [*seeds]}
        return replace(self, tables=self.tables | {"grid": grid, "tune": tune})

    def runs(self) -> list[PlannedRun]:
        """Return the runs in the order of the file, the grid's first key slowest, with every value that is to be tried.

        At each point of the grid each rung has its arms in turn.

        A baseline that would be another run once more is left out. A flag that main_lm.py would not take exits with 2
        and one line that names the run. Raises UserError for a study without runs, two runs of one name, two methods,
        rungs or points of the grid that come to one run, a placeholder that is none, or where nothing can be chosen by.
        """
        grid = self.tables.get("grid", {})
        points = [dict(zip(grid, values)) for values in product(*grid.values())]
        planned = [(run, arm, rung) for point in points for rung in self.rungs for arm, tune in self.arms(rung, point)
                   for run in self.runs_of(arm, rung, point, tune)]
        kept = without_repeated(planned)
        runs = [run for run, *_ in kept]
        if not runs:
            raise UserError(f"{self.path}: asks for no run: its baselines are made from methods, of which it has none")
        if twice := [name for name, times in Counter(run.name for run in runs).items() if times > 1]:
            raise UserError(f"{self.path}: two runs are called {min(twice)}; names of methods or rungs, or values in "
                            "[grid] or [tune], differ only in characters that no file's name may have, or one is that "
                            "of a baseline")
        self.check_apart(kept)
        if wrong := [name for name in self.tuned if name in NOT_TUNED]:
            raise UserError(f"{self.path}: tune.{wrong[0]}: must be a flag of training that leaves the evaluated rows "
                            "as they are, such as lr")
        for run in runs:
            if run.value and not run.config.val_ratio:
                raise UserError(f"{self.path}: run {run.name}: there are no held-out rows to choose a value of "
                                f"{', '.join(self.tuned)} by; give val_ratio above 0 in [common]")
        return runs

    def check_apart(self, planned: Sequence[Planned]) -> None:
        """Raise UserError, naming both tables, for two runs that are the same, and for a rung without a run."""
        there: dict[RunConfig, Planned] = {}
        for run, arm, rung in planned:
            other, other_arm, other_rung = there.setdefault(run.what, (run, arm, rung))
            if other is not run:
                pairs = ("methods", other_arm.name, arm.name), ("rungs", other_rung, rung)
                tables = [f"[{kind}.{one}] and [{kind}.{two}]" for kind, one, two in pairs if one != two]
                raise UserError(f"{self.path}: {', '.join(tables) or 'two values in [grid] or [tune]'} come to the "
                                f"same run ({other.name}, {run.name}): give them other flags, or leave one out; the "
                                "command line's flags win over a method's, and these over [grid]")
        if empty := [rung for rung in self.rungs if rung not in {rung for *_, rung in planned}]:
            raise UserError(f"{self.path}: [rungs.{empty[0]}]: each of its runs is one of another rung; give it other "
                            "flags, or leave it out")

    def arms(self, rung: str, point: Flags) -> Iterator[tuple[Arm, Flags]]:
        """Yield each arm of a rung at a point of the grid, and the values to be tried, by flag.

        They are the method's own, or the rung's, or the study's; of a method without averaging they are the method's.
        """
        every = self.tables.get("common", {}) | untuned(self.rungs[rung]) | point
        tune = {name: values for name, values in self.tables.get("tune", {}).items() if name != "seeds"}
        tune = self.rungs[rung].get("tune", tune)
        methods = {name: untuned(flags) for name, flags in self.methods.items()}
        for name, flags in methods.items():
            yield Arm(name, every, flags), self.methods[name].get("tune", tune)
        on = f" on rung {rung}" if rung else ""
        for arm in ready_arms(self.tables.get("baselines", []), every, methods,
                              lambda arm: self.parsed(f"of {arm.name}{on}", self.words(arm, {}))[1]):
            yield arm, of_one_client(self.methods[arm.twin_of].get("tune", tune)) if arm.twin_of else tune

    def runs_of(self, arm: Arm, rung: str, point: Flags, tune: Flags) -> Iterator[PlannedRun]:
        """Yield an arm's runs on a rung at a point of the grid, one for each combination of the values to be tried."""
        grid = self.tables.get("grid", {})
        of = [file_name(name) for name in (arm.name, rung) if name]
        cell = "-".join([*of, *(part(key, value, grid[key]) for key, value in point.items() if key != "seed")])
        several = any(len(values) > 1 for values in tune.values())
        for values in product(*tune.values()):
            value = "-".join(part(key, value, tune[key]) for key, value in zip(tune, values))
            name = "-".join([*of, *([value] if value else []),
                             *(part(key, value, grid[key]) for key, value in point.items())])
            words = self.words(arm, dict(zip(tune, values)))
            folder = ("--run_dir", str(self.folder / name), "--resume")
            yield PlannedRun(name, *self.parsed(name, words, folder), cell, value if several else "")

    def words(self, arm: Arm, tuned: Flags) -> tuple[str, ...]:
        """Return an arm's flags as main_lm.py takes them, with these values of what is tuned."""
        before, after = (arm.common | arm.flags, tuned) if arm.first else (arm.common, arm.flags | tuned)
        return (*as_words({name: value for name, value in before.items() if name not in after}), *self.extra,
                *as_words(after))

    def parsed(self, name: str, words: Sequence[str], more: Sequence[str] = ()) -> tuple[tuple[str, ...], RunConfig]:
        """Return the words of a run, with its seed and the study's folder in their places, and its configuration.

        There are no places in `more` of them. A flag that main_lm.py would not take exits with 2. Raises UserError as
        `filled` does.
        """
        asked = f"{self.path}: run {name}"
        prog = f"{PROGRAM}: {asked}"
        config = parse_flags([*words, *more], self.tasks, prog=prog)
        whole = *filled(words, config.seed, self.folder, asked), *more
        return whole, config if whole == (*words, *more) else parse_flags([*whole], self.tasks, prog=prog)


def without_repeated(planned: Sequence[Planned]) -> list[Planned]:
    """Return the runs but for those of a baseline that a method, or a baseline before it, has already."""
    there = {run.what for run, arm, _ in planned if arm.first}
    kept = []
    for run, arm, rung in planned:
        if arm.first or run.what not in there:
            kept.append((run, arm, rung))
        there.add(run.what)
    return kept


def read_study(path: Path, out: Path | None, extra: Sequence[str], tasks: Sequence[str], quick: bool = False) -> Study:
    """Return the study of a file, or its `quick` cut; `out`: another folder for the records than the file's.

    Raises UserError for a file that is none or is malformed, or has no quick cut.
    """
    tables = parse_study(path, quick)
    return Study(path, tables, out or Path(tables.get("out", Path("log") / path.stem)), tuple(extra), tuple(tasks))


def as_words(flags: Flags) -> list[str]:
    """Return flags as words of a command line; a switch that is off is none."""
    words = []
    for flag, value in flags.items():
        if value is not False:
            words += [f"--{flag}"] if value is True else [f"--{flag}", str(value)]
    return words


def untuned(flags: Flags) -> Flags:
    """Return the flags of a method or rung but for what it is tuned by."""
    return {flag: value for flag, value in flags.items() if flag != "tune"}


def part(key: str, value: object, values: Sequence[object]) -> str:
    """Return a setting as a part of a run's name: numbers and switches with their flag, of a path the last folder.

    `values`: all that the grid has of it; where two of them end in one folder's name, the whole path is taken.
    """
    if not isinstance(value, str):
        return file_name(f"{key}{value}")
    last = [Path(other).name for other in dict.fromkeys(map(str, values))]
    return file_name(value if last.count(Path(value).name) > 1 else Path(value).name)
