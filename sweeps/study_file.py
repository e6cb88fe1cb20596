"""A study file (TOML) → its tables, checked as far as no flag has to be known.

    out = "log/my-study"           # folder of the runs' records (default: log/<name of the file>)
    baselines = ["centralized"]    # ready arms beside the methods: sweeps/arms.py has them
    [common]                       # flags of every run, spelt as main_lm.py's
    data = "sentiment"
    [rungs.random]                 # representations to be compared: each arm is run with the flags of each rung, which
    random_init = true             # come after [common] and before the arm's
    [rungs.small]
    model = "{out}/models/seed{seed}/1M"     # a text may have the study's folder and the run's seed; {{ is a brace
    [pretrain.small]               # models that pretrain.py makes before the runs, by its flags; `out` is where
    task = "sentiment"             # (default: {out}/models/NAME, or …/models/seed{seed}/NAME where {seed} is used)
    tokens = "0,1M"
    seed = "{seed}"
    out = "{out}/models/seed{seed}"
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
    [quick]                        # what is otherwise under --quick, as tables of the same names; a list keeps some:
    rungs = ["small"]
    grid = {seed = [1]}
"""

import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sweeps.arms import check_ready
from sweeps.places import check_places
from utils.errors import UserError
from utils.flags import nearest

TABLES = {"out": str, "baselines": list, "common": dict, "pretrain": dict, "rungs": dict, "grid": dict, "methods": dict,
          "tune": dict, "quick": dict}
NAMED = ("pretrain", "rungs", "methods")  # tables of tables, by name


def parse_study(path: Path, quick: bool = False) -> dict[str, Any]:
    """Return the tables of a study file, or of stdin (`-`), or those of its `quick` cut.

    Raises UserError that names the file and what is wrong in it.
    """
    try:
        study = tomllib.loads(sys.stdin.read() if path == Path("-") else path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a study's .toml file") from None
    except ValueError as error:  # of TOML, with its line, or of UTF-8
        raise UserError(f"{path}: is no TOML file: {error}") from None
    try:
        check(study)
        check_tuned(study)
        cut = quick_cut(study, Path("log") / path.stem)
        if quick and "quick" not in study:
            raise UserError("has no quick cut; leave --quick out, or give it a table [quick]")
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return cut if quick else study


def quick_cut(study: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a study with what its table [quick] says in its tables' places; its records go to a folder of their own.

    `folder`: what is the study's own where it names none. Raises UserError, naming the key, for what no study may have.
    """
    cut = {key: value for key, value in study.items() if key != "quick"}
    quick = {"out": f"{study.get('out', folder)}-quick"} | study.get("quick", {})
    try:
        if "quick" in quick:
            raise UserError("quick: a cut has none of its own; leave it out")
        for key, value in quick.items():
            there = study.get(key, {})
            if key in NAMED and isinstance(value, list):
                for name in value:
                    if not isinstance(name, str) or name not in there:
                        raise UserError(f"{key}: there is no [{key}.{name}]{nearest(str(name), there)}")
                cut[key] = {name: there[name] for name in there if name in value}
            elif key in NAMED and isinstance(value, dict):
                cut[key] = there | {name: there.get(name, {}) | flags if isinstance(flags, dict) else flags
                                    for name, flags in value.items()}
            else:
                cut[key] = there | value if isinstance(value, dict) and isinstance(there, dict) else value
        check(cut)
    except UserError as error:
        raise UserError(f"quick.{error}") from None
    return cut


def check(study: dict[str, Any]) -> None:
    """Raise UserError, naming the key, for what no study may have."""
    for key, value in study.items():
        if key not in TABLES or not isinstance(value, TABLES[key]):
            raise UserError(f"{key}: a study has {', '.join(TABLES)} (a text, a list, and tables)")
    if not study.get("rungs", {"": {}}):
        raise UserError("rungs: must have a table, such as [rungs.small]")
    if {"methods", "baselines"} & {*study} and not (study.get("methods") or study.get("baselines")):
        raise UserError("methods: must have a table, such as [methods.iid], where there are no baselines")
    for where, flags in named(study):
        if not isinstance(flags, dict):
            raise UserError(f"{where}: must be a table of flags")
        if not isinstance(flags.get("tune", {}), dict):
            raise UserError(f"{where}.tune: must be a table of lists, such as {{lr = [5e-5, 1e-4]}}")
        if listed := [key for key, value in flags.items() if isinstance(value, list)]:
            raise UserError(f"{where}.{listed[0]}: must be one value")
    lists = {"grid": study.get("grid", {}), "tune": study.get("tune", {}), **{
        f"{where}.tune": flags.get("tune", {}) for where, flags in named(study)}}
    for where, table in lists.items():
        for key, values in table.items():
            if not isinstance(values, list) or not values:
                raise UserError(f"{where}.{key}: must be a list of values")
            if again := [value for value, times in Counter(map(repr, values)).items() if times > 1]:
                raise UserError(f"{where}.{key}: holds {again[0]} twice; leave one out")
        if "seeds" in table and where.endswith(".tune"):
            raise UserError(f"{where}.seeds: seeds stand in [tune] alone, for all that is tuned")
    for where, flags in (("common", study.get("common", {})), *named(study), *lists.items()):
        for key, value in flags.items():
            for text in (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)):
                try:
                    check_places(text)
                except UserError as error:
                    raise UserError(f"{where}.{key}: {error}") from None
    for name, flags in study.get("rungs", {}).items():
        if twice := {*flags} & {*study.get("grid", {})}:
            raise UserError(f"rungs.{name}.{min(twice)}: [grid] has values of it, too; leave one of them out")
    for where, values in (("grid.seed", study.get("grid", {}).get("seed", [])),
                          ("tune.seeds", study.get("tune", {}).get("seeds", []))):
        if wrong := [value for value in values if type(value) is not int]:
            raise UserError(f"{where}: must hold whole numbers, such as [1, 2, 3], and holds {wrong[0]!r}")
    seeds, among = study.get("tune", {}).get("seeds", []), study.get("grid", {}).get("seed", [])
    if {*seeds} - {*among}:
        raise UserError(f"tune.seeds: must be some of grid.seed ({', '.join(map(str, among)) or 'none'})")
    check_ready(study.get("baselines", []))


def check_tuned(study: dict[str, Any]) -> None:
    """Raise UserError for a table [tune] where nothing is tuned."""
    flags = {flag for table in (study, *(one for _, one in named(study))) for flag in table.get("tune", {})}
    if "tune" in study and not flags - {"seeds"}:
        raise UserError("tune: has no flag to tune; give it one, such as lr = [5e-5, 1e-4], or leave it out")


def named(study: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the tables that have names of their own, with where they stand."""
    for kind in NAMED:
        for name, flags in study.get(kind, {}).items():
            yield f"{kind}.{name}", flags
