"""A study file (TOML) → its tables, checked as far as no flag has to be known.

    out = "log/my-study"           # folder of the runs' records (default: log/<name of the file>)
    baselines = ["centralized"]    # ready arms beside the methods: sweeps/arms.py has them
    [common]                       # flags of every run, spelt as main_lm.py's
    data = "sentiment"
    [rungs.random]                 # representations to be compared: each arm is run with the flags of each rung, which
    random_init = true             # come after [common] and before the arm's
    [rungs.small]
    model = "{out}/models/seed{seed}/1M"     # a text may have the study's folder and the run's seed
    [grid]                         # every combination of these is run…
    seed = [1, 2, 3]
    [methods.iid]                  # …by each of these methods, whose flags come last
    lang_mix = 0.99
    [methods.partial]
    frac_fit = 0.5
    tune = {lr = [1e-4, 2e-4]}     # what this method is tuned by, instead of [tune]; a rung may have its own, too
    [tune]                         # every method and baseline has one of these values, chosen on held-out rows
    lr = [5e-5, 1e-4]
    seeds = [1]                    # by runs of these seeds (default: the grid's first)
"""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sweeps.arms import check_ready
from utils.errors import UserError

TABLES = {"out": str, "baselines": list, "common": dict, "rungs": dict, "grid": dict, "methods": dict, "tune": dict}
NAMED = ("rungs", "methods")  # tables of tables, by name


def parse_study(path: Path) -> dict[str, Any]:
    """Return the tables of a study file, or of stdin (`-`). Raises UserError that names it and what is wrong in it."""
    try:
        study = tomllib.loads(sys.stdin.read() if path == Path("-") else path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a study's .toml file") from None
    except ValueError as error:  # of TOML, with its line, or of UTF-8
        raise UserError(f"{path}: is no TOML file: {error}") from None
    try:
        check(study)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return study


def check(study: dict[str, Any]) -> None:
    """Raise UserError, naming the key, for what no study may have."""
    for key, value in study.items():
        if key not in TABLES or not isinstance(value, TABLES[key]):
            raise UserError(f"{key}: a study has {', '.join(TABLES)} (a text, a list, and tables)")
    for where, flags in named(study):
        if not isinstance(flags, dict):
            raise UserError(f"{where}: must be a table of flags")
        if not isinstance(flags.get("tune", {}), dict):
            raise UserError(f"{where}.tune: must be a table of lists, such as {{lr = [5e-5, 1e-4]}}")
    lists = {"grid": study.get("grid", {}), "tune": study.get("tune", {}), **{
        f"{where}.tune": flags.get("tune", {}) for where, flags in named(study)}}
    for where, table in lists.items():
        for key, values in table.items():
            if not isinstance(values, list) or not values:
                raise UserError(f"{where}.{key}: must be a list of values")
    for name, flags in study.get("rungs", {}).items():
        if twice := {*flags} & {*study.get("grid", {})}:
            raise UserError(f"rungs.{name}.{min(twice)}: [grid] has values of it, too; leave one of them out")
    seeds, among = study.get("tune", {}).get("seeds", []), study.get("grid", {}).get("seed", [])
    if {*seeds} - {*among}:
        raise UserError(f"tune.seeds: must be some of grid.seed ({', '.join(map(str, among)) or 'none'})")
    check_ready(study.get("baselines", []))


def named(study: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the tables that have names of their own, with where they stand."""
    for kind in NAMED:
        for name, flags in study.get(kind, {}).items():
            yield f"{kind}.{name}", flags
