"""A study file (TOML) → the runs it asks for, each with its name and its flags.

    out = "log/my-study"           # folder of the runs' records (default: log/<name of the file>)
    [common]                       # flags of every run, spelt as main_lm.py's
    data = "sentiment"
    [grid]                         # every combination of these is run…
    seed = [1, 2, 3]
    [methods.centralized]          # …by each of these methods, whose flags come last
    centralized = true
    [methods.iid]
    lang_mix = 0.99
"""

import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from utils.command_line import parse_flags
from utils.config import RunConfig
from utils.errors import UserError
from utils.file_names import file_name

TABLES = {"out": str, "common": dict, "grid": dict, "methods": dict}


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study: `name` says what sets it apart; `words` are its flags as main_lm.py takes them."""

    name: str
    words: tuple[str, ...]
    config: RunConfig


def read_study(path: Path, out: Path | None, extra: list[str], tasks: Sequence[str]) -> tuple[Path, list[PlannedRun]]:
    """Return the folder of a study's records, and its runs in the order of the file: the grid's first key slowest.

    `out`: another folder than the file's. `extra`: further flags of every run. Raises UserError for a file that is
    none or is malformed; a flag that main_lm.py would not take exits with 2 and one line that names the run.
    """
    study = parse_study(path)
    folder = out or Path(study.get("out", Path("log") / path.stem))
    grid, runs = study.get("grid", {}), []
    for values in product(*grid.values()):
        point = dict(zip(grid, values))
        for method, flags in study.get("methods", {"run": {}}).items():
            name = "-".join([file_name(method), *(part(key, value, grid[key]) for key, value in point.items())])
            every = study.get("common", {}) | point | flags
            words = (*(word for key, value in every.items() for word in as_words(key, value)), *extra,
                     "--run_dir", str(folder / name), "--resume")
            runs.append(PlannedRun(name, words, parse_flags(list(words), tasks, prog=f"{path}: run {name}")))
    twice = {run.name for run in runs if sum(run.name == other.name for other in runs) > 1}
    if twice:
        raise UserError(f"{path}: two runs are called {sorted(twice)[0]}; a value stands twice in [grid], or names of "
                        "methods differ only in characters that no file's name may have")
    return folder, runs


def parse_study(path: Path) -> dict:
    """Return the tables of a study file, or of stdin (`-`). Raises UserError that names it and what is wrong in it."""
    try:
        study = tomllib.loads(sys.stdin.read() if path == Path("-") else path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a study's .toml file") from None
    except ValueError as error:  # of TOML, with its line, or of UTF-8
        raise UserError(f"{path}: is no TOML file: {error}") from None
    for key, value in study.items():
        if key not in TABLES or not isinstance(value, TABLES[key]):
            raise UserError(f"{path}: {key}: a study has {', '.join(TABLES)} (text, and tables)")
    for key, values in study.get("grid", {}).items():
        if not isinstance(values, list) or not values:
            raise UserError(f"{path}: grid.{key}: must be a list of values")
    for name, flags in study.get("methods", {}).items():
        if not isinstance(flags, dict):
            raise UserError(f"{path}: methods.{name}: must be a table of flags")
    return study


def as_words(flag: str, value: object) -> list[str]:
    """Return a flag as words of a command line; a switch that is off is none."""
    if isinstance(value, bool):
        return [f"--{flag}"] if value else []
    return [f"--{flag}", str(value)]


def part(key: str, value: object, values: Sequence[object]) -> str:
    """Return a setting as a part of a run's name: numbers and switches with their flag, of a path the last folder.

    `values`: all that the grid has of it; where two of them end in one folder's name, the whole path is taken.
    """
    if not isinstance(value, str):
        return file_name(f"{key}{value}")
    last = [Path(other).name for other in dict.fromkeys(map(str, values))]
    return file_name(value if last.count(Path(value).name) > 1 else Path(value).name)
