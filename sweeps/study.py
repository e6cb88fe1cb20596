"""A study file (TOML) → the runs it asks for, each with its name and its flags.

    out = "log/my-study"           # folder of the runs' records (default: log/<name of the file>)
    baselines = ["centralized"]    # ready arms beside the methods: sweeps/arms.py has them
    [common]                       # flags of every run, spelt as main_lm.py's
    data = "sentiment"
    [grid]                         # every combination of these is run…
    seed = [1, 2, 3]
    [methods.iid]                  # …by each of these methods, whose flags come last
    lang_mix = 0.99
    [methods.partial]
    frac_fit = 0.5
    tune = {lr = [1e-4, 2e-4]}     # what this method is tuned by, instead of [tune]
    [tune]                         # every method and baseline has one of these values, chosen on held-out rows
    lr = [5e-5, 1e-4]
    seeds = [1]                    # by runs of these seeds (default: the grid's first)
"""

import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from sweeps.arms import Arm, Flags, check_ready, ready_arms
from utils.command_line import parse_flags
from utils.config import RunConfig
from utils.errors import UserError
from utils.file_names import file_name
from utils.record.runlog import SUMMARY

TABLES = {"out": str, "baselines": list, "common": dict, "grid": dict, "methods": dict, "tune": dict}


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study: `name` says what sets it apart; `words` are its flags as main_lm.py takes them.

    `cell` names its arm and point of the grid, but for the seed; `value` what it has of the flags that are tuned, "" if
    none is.
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

    @property
    def has_ended(self) -> bool:
        """Whether its record is that of a finished run."""
        return (self.folder / SUMMARY).is_file()


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
        tables = (self.tables.get("tune", {}), *(arm.get("tune", {}) for arm in self.methods.values()))
        return sorted({name for table in tables for name in table} - {"seeds"})

    @property
    def tuning_seeds(self) -> list[int]:
        """The seeds of the runs by which values are chosen; [] where all runs have one seed."""
        return self.tables.get("tune", {}).get("seeds", self.seeds[:1])

    @property
    def methods(self) -> dict[str, Flags]:
        """The study's own methods, with what each is tuned by."""
        return self.tables.get("methods", {} if "baselines" in self.tables else {"run": {}})

    def with_seeds(self, seeds: Sequence[int]) -> "Study":
        """Return the same study on other seeds, chosen values by the same ones."""
        tune = self.tables.get("tune", {}) | {"seeds": self.tuning_seeds}
        grid = self.tables.get("grid", {}) | {"seed": [*seeds]}
        return replace(self, tables=self.tables | {"grid": grid, "tune": tune})

    def runs(self) -> list[PlannedRun]:
        """Return the runs in the order of the file, the grid's first key slowest, with every value that is to be tried.

        A baseline that would be another run once more is left out. A flag that main_lm.py would not take exits with 2
        and one line that names the run. Raises UserError for two runs of one name, or where nothing can be chosen by.
        """
        grid, runs = self.tables.get("grid", {}), list[PlannedRun]()
        there = set[RunConfig]()
        for values in product(*grid.values()):
            point = dict(zip(grid, values))
            for arm, tune in self.arms(self.tables.get("common", {}) | point):
                for run in self.runs_of(arm, point, tune):
                    what = replace(run.config, run_dir="")
                    if arm.first or what not in there:
                        runs.append(run)
                    there.add(what)
        twice = {run.name for run in runs if sum(run.name == other.name for other in runs) > 1}
        if twice:
            raise UserError(f"{self.path}: two runs are called {sorted(twice)[0]}; a value stands twice in [grid], or "
                            "names of methods differ only in characters that no file's name may have, or one is that "
                            "of a baseline")
        for run in runs:
            if run.value and not run.config.val_ratio:
                raise UserError(f"{self.path}: run {run.name}: there are no held-out rows to choose a value of "
                                f"{', '.join(self.tuned)} by; give val_ratio above 0 in [common]")
        return runs

    def arms(self, every: Flags) -> Iterator[tuple[Arm, Flags]]:
        """Yield each arm at a point of the grid, whose flags are `every`, and the values to be tried, by flag."""
        tune = {name: values for name, values in self.tables.get("tune", {}).items() if name != "seeds"}
        methods = {name: {flag: value for flag, value in flags.items() if flag != "tune"}
                   for name, flags in self.methods.items()}
        for name, flags in methods.items():
            yield Arm(name, every, flags), self.methods[name].get("tune", tune)
        for arm in ready_arms(self.tables.get("baselines", []), every, methods,
                              lambda arm: self.parsed(f"of {arm.name}", self.words(arm, {}))):
            yield arm, tune

    def runs_of(self, arm: Arm, point: Flags, tune: Flags) -> Iterator[PlannedRun]:
        """Yield an arm's runs at a point of the grid, one for each combination of the values to be tried."""
        grid = self.tables.get("grid", {})
        seedless = [part(key, value, grid[key]) for key, value in point.items() if key != "seed"]
        cell = "-".join([file_name(arm.name), *seedless])
        for values in product(*tune.values()):
            value = "-".join(part(key, value, tune[key]) for key, value in zip(tune, values))
            parts = [file_name(arm.name), *([value] if value else []),
                     *(part(key, value, grid[key]) for key, value in point.items())]
            name = "-".join(parts)
            words = (*self.words(arm, dict(zip(tune, values))), "--run_dir", str(self.folder / name), "--resume")
            yield PlannedRun(name, words, self.parsed(name, words), cell, value if len(tune) else "")

    def words(self, arm: Arm, tuned: Flags) -> tuple[str, ...]:
        """Return an arm's flags as main_lm.py takes them, with these values of what is tuned."""
        before, after = (arm.common | arm.flags, tuned) if arm.first else (arm.common, arm.flags | tuned)
        return (*as_words({name: value for name, value in before.items() if name not in after}), *self.extra,
                *as_words(after))

    def parsed(self, name: str, words: Sequence[str]) -> RunConfig:
        """Return the configuration of a run; a flag that main_lm.py would not take exits with 2."""
        return parse_flags([*words], self.tasks, prog=f"{self.path}: run {name}")


def read_study(path: Path, out: Path | None, extra: Sequence[str], tasks: Sequence[str]) -> Study:
    """Return the study of a file; `out`: another folder for the records than the file's.

    Raises UserError for a file that is none or is malformed.
    """
    tables = parse_study(path)
    return Study(path, tables, out or Path(tables.get("out", Path("log") / path.stem)), tuple(extra), tuple(tasks))


def parse_study(path: Path) -> dict[str, Any]:
    """Return the tables of a study file, or of stdin (`-`). Raises UserError that names it and what is wrong in it."""
    try:
        study = tomllib.loads(sys.stdin.read() if path == Path("-") else path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a study's .toml file") from None
    except ValueError as error:  # of TOML, with its line, or of UTF-8
        raise UserError(f"{path}: is no TOML file: {error}") from None
    for key, value in study.items():
        if key not in TABLES or not isinstance(value, TABLES[key]):
            raise UserError(f"{path}: {key}: a study has {', '.join(TABLES)} (a text, a list, and tables)")
    for name, flags in study.get("methods", {}).items():
        if not isinstance(flags, dict):
            raise UserError(f"{path}: methods.{name}: must be a table of flags")
        if not isinstance(flags.get("tune", {}), dict):
            raise UserError(f"{path}: methods.{name}.tune: must be a table of lists, such as {{lr = [5e-5, 1e-4]}}")
    tables = {"grid": study.get("grid", {}), "tune": study.get("tune", {}), **{
        f"methods.{name}.tune": flags.get("tune", {}) for name, flags in study.get("methods", {}).items()}}
    for where, table in tables.items():
        for key, values in table.items():
            if not isinstance(values, list) or not values:
                raise UserError(f"{path}: {where}.{key}: must be a list of values")
    seeds, among = study.get("tune", {}).get("seeds", []), study.get("grid", {}).get("seed", [])
    if {*seeds} - {*among}:
        raise UserError(f"{path}: tune.seeds: must be some of grid.seed ({', '.join(map(str, among)) or 'none'})")
    try:
        check_ready(study.get("baselines", []))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return study


def as_words(flags: Flags) -> list[str]:
    """Return flags as words of a command line; a switch that is off is none."""
    words = []
    for flag, value in flags.items():
        if value is not False:
            words += [f"--{flag}"] if value is True else [f"--{flag}", str(value)]
    return words


def part(key: str, value: object, values: Sequence[object]) -> str:
    """Return a setting as a part of a run's name: numbers and switches with their flag, of a path the last folder.

    `values`: all that the grid has of it; where two of them end in one folder's name, the whole path is taken.
    """
    if not isinstance(value, str):
        return file_name(f"{key}{value}")
    last = [Path(other).name for other in dict.fromkeys(map(str, values))]
    return file_name(value if last.count(Path(value).name) > 1 else Path(value).name)
