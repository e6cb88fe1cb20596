"""The folder of a run, visited once: its name, what it holds, whether it may be written, its lock."""

import glob
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from utils.config import RunConfig
from utils.console import NOTES
from utils.errors import UserError
from utils.hub_names import split_revision
from utils.machine.durable import held, remove_halves, sync_folder, whole_file
from utils.machine.new_folder import make_folder
from utils.machine.scratch import PREFIX
from utils.record.older_runs import recorded_flags
from utils.record.runlog import CHECKPOINTS, CONFIG, ROUNDS, SUMMARY, RunLog, json_line, read_json, versions

if TYPE_CHECKING:
    from utils.record.checkpoint import Checkpoint

MEASURED = ("precision", "fp32_products")  # flags whose auto is measured once, when a run begins
LOCK = ".lock"  # held for as long as a run is at work in the folder


class RunFolder:
    """The folder of a run: where a new one is to write, or with `--resume` the one that goes on.

    It is found, read and checked when this value is made, and nothing on disk is changed by that. `path`: the folder;
    `before`: the config.json that is there, {} for a new run; `config`: the run's flags, with the arithmetic that
    it began with. In a `with` a run that goes on is locked from the beginning; a new one's folder is made by `opened`.

    Raises UserError if a new run's `--run_dir` already holds something, because a record is never overwritten; and if
    the folder to go on in was made with other flags, holds no run or, in a `with`, has another process at work in it.
    """

    def __init__(self, config: RunConfig) -> None:
        found = _folder_to_resume(config) if config.resume else None
        self.path = found or _new_folder(config)
        self.before = recorded(found) if found else {}
        _check_flags(config, self.path, self.before)
        began = self.before.get("flags", {})
        self.config = replace(config, **{name: began[name] for name in MEASURED if began})
        self._held = ExitStack()
        self._is_held = False

    def __enter__(self) -> "RunFolder":
        if self.config.resume and not self.finished and (self.before or (self.path / LOCK).exists()):
            self._hold()
        return self

    def __exit__(self, *exception: object) -> None:
        self._held.close()

    @property
    def finished(self) -> bool:
        """Whether the run is: once there is a result, no process writes there any more."""
        return (self.path / SUMMARY).is_file()

    @property
    def sources(self) -> dict[str, str]:
        """Where the rows were from with which a run began that goes on, by their tasks' names."""
        found = {each["task"]: each["source"] for each in self.before.get("ood", {}).values()}
        return found | ({self.config.data: self.before["data_source"]} if "data_source" in self.before else {})

    def check_rows(self, fingerprints: Mapping[str, str], sets: Mapping[str, str]) -> None:
        """Raise UserError when a run that goes on began with other rows; say what else may not be as it was.

        `fingerprints` are those of the tasks' tables as they are now, `sets` those of the evaluation sets' rows.
        """
        if not self.before:
            return
        before = {each["task"]: each["fingerprint"] for each in self.before.get("ood", {}).values()}
        for task, fingerprint in (before | {self.config.data: self.before["data_fingerprint"]}).items():
            if fingerprints.get(task, fingerprint) != fingerprint:
                raise UserError(f"--resume: {self.path} was made with other rows of {task} than "
                                f"{self.config.data_dir} has now; start a new run")
        evaluated = self.before.get("evaluation_sets", [*sets])
        if evaluated != [*sets]:
            raise UserError(f"--resume: {self.path} was evaluated on {', '.join(evaluated)}, and would be on "
                            f"{', '.join(sets)} now; put utils/data/evaluation_sets/ back, or start a new run")
        for name, facts in self.before.get("sets", {}).items():
            if facts["rows_fingerprint"] != sets[name]:
                raise UserError(f"--resume: {self.path} was evaluated on other rows of {name} than it would be now; "
                                "put back the tables of the runs that its model is of, or start a new run")
        needed = self.before["flags"]["min_success"]
        if needed != self.config.min_success:
            NOTES.warning("--resume: --min_success was %d and is %d from here on: rounds.jsonl names the clients that "
                          "a round's mean lacks", needed, self.config.min_success)
        then = self.before["versions"]
        others = [f"{name} {then.get(name)} before, {version} now" for name, version in versions().items()
                  if then.get(name) != version]
        if others:
            NOTES.warning("--resume: other versions may give other bits: %s", "; ".join(others))

    @contextmanager
    def opened(self, config: RunConfig) -> Iterator[RunLog]:
        """Make the folder of a new run, if it is one; yield its log, which takes nothing more after the `with`.

        `config` has the flags as they are recorded. Raises UserError when the folder cannot be made, or another run has
        come first.
        """
        if not self._is_held:
            self._hold()
        log, hurried = RunLog(self.path, config), False
        try:
            yield log
        except KeyboardInterrupt:
            hurried = True
            raise
        finally:
            log.close(hurried)

    def go_back(self) -> "tuple[list[dict], Checkpoint | None]":
        """Return the records of the rounds to go on from, and the last one's checkpoint; ([], None) without one.

        What a killed run was writing goes: later rounds, half a line, half a folder. Raises UserError when an earlier
        round is missing.
        """
        from utils.record.checkpoint import last_checkpoint

        remove_halves(self.path)
        last, path = last_checkpoint(self.path / CHECKPOINTS), self.path / ROUNDS
        if last is None:
            path.unlink(missing_ok=True)
            return [], None
        number = last.record["round"]
        try:
            records = [*map(json.loads, path.read_bytes().splitlines()[:number]), last.record]
            whole = [record["round"] for record in records] == list(range(number + 1))
        except (OSError, ValueError, LookupError, TypeError):
            whole = False
        if not whole:
            raise UserError(f"--resume: {path} lacks rounds before {number}; start a new run")
        with whole_file(path) as temporary:
            temporary.write_text("".join(map(json_line, records)), encoding="utf-8")
        return records, last

    def check_model(self, commit: str, frozen: str) -> None:
        """Raise UserError when the run would go on with a model of another `commit` than it began with.

        Or with other weights than the `frozen` ones, which are not in its checkpoints: that is their fingerprint.
        """
        before = self.before.get("model_commit", commit)
        if before != commit:
            names = [f"commit {each} on the hub" if each else "a folder" for each in (before, commit)]
            raise UserError(f"--resume: {self.path} was made with another model: it was {names[0]}, and is {names[1]} "
                            "now; start a new run")
        if self.before.get("frozen_fingerprint", frozen) != frozen:
            raise UserError(f"--resume: {self.path} was made with other weights of --{self.config.start_flag} "
                            f"{self.config.load_model or self.config.model}, which are not trained, than it has now; "
                            "put them back, or start a new run")

    def _hold(self) -> None:
        """Lock the folder until the end, a new run's once it is made; see to what a killed run has left."""
        try:
            if self.config.run_dir or self.config.resume and self.path.exists():
                make_folder(self.path, f"--run_dir {self.path}")
            else:
                self.path = make_numbered(self.path)
            if not self._held.enter_context(held(self.path / LOCK)):
                NOTES.warning("%s: its file system has no locks: see to it that no other run goes on there (--resume) "
                              "while this one is at work; a new one still refuses a folder that holds files", self.path)
            if not sync_folder(self.path):
                NOTES.warning("%s: its file system does not say when a file's name is on disk: if the machine goes "
                              "down, the newest checkpoint may be lost; --resume then takes the one before", self.path)
            for left in self.path.glob(f"{PREFIX}*"):  # by a killed run, for its workers on other machines
                shutil.rmtree(left)
            if not self.before and not _holds_no_run(self.path):  # another process has been here meanwhile
                raise BlockingIOError
        except BlockingIOError:
            raise UserError(f"--run_dir {self.path}: another run is at work there; name another folder") from None
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise UserError(f"--run_dir {self.path}: cannot be made: {error.strerror}") from None
        self._is_held = True


def _new_folder(config: RunConfig) -> Path:
    """Return the folder that a new run is to write. Raises UserError where it cannot, or would overwrite something."""
    folder = Path(config.run_dir)
    if config.run_dir and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--run_dir {folder}: already holds files; name a new folder or remove it, or go on with the "
                        "run there by --resume")
    folder = Path(config.run_dir or f"{_untimed(config)}-{time.strftime('%Y%m%d-%H%M%S')}")
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not os.access(there, os.W_OK):
        raise UserError(f"--run_dir {folder}: {there} cannot be written to; name another folder")
    return folder


def _untimed(config: RunConfig) -> Path:
    """Return the folder of a run in log/, but for the time at the end of its name."""
    return Path("log") / f"{config.data}-{config.model_name}-{config.method}-seed{config.seed}"


def _runs_called(untimed: Path) -> list[Path]:
    """Return the folders of that name, whatever the time at its end."""
    return [*untimed.parent.glob(f"{glob.escape(untimed.name)}-*")]  # a model's name may hold [ or *


def _folder_to_resume(config: RunConfig) -> Path | None:
    """Return the folder to go on in; None if there is none, so that one command both starts a run and resumes it."""
    runs = _runs_called(_untimed(config))
    if not runs and config.lr_schedule == "linear":  # an older run's name does not say so
        older = _runs_called(_untimed(replace(config, lr_schedule="constant")))
        runs = [run for run in older if recorded(run).get("flags", {}).get("lr_schedule") == "linear"]
    folder = Path(config.run_dir) if config.run_dir else max(runs, default=None, key=lambda run: run.stat().st_mtime)
    if folder is None or not folder.exists():
        NOTES.info("--resume: there is no such run yet: it starts now")
        return None
    if not folder.is_dir():
        raise UserError(f"--run_dir {folder}: is no folder; name another")
    return folder


def _check_flags(config: RunConfig, folder: Path, before: dict) -> None:
    """Raise UserError when the run in `folder` was made with other flags; `before` is its config.json."""
    if not before:
        return
    for name, mine in config.flags(fixed=True).items():
        theirs = before["flags"][name]
        if not _same(name, mine, theirs, before.get("model_commit")):
            raise UserError(f"--resume: {folder} was made with --{name} {theirs}, not {mine}; give the same flags, or "
                            "start a new run")


def _same(name: str, mine: object, before: object, commit: str | None) -> bool:
    """Whether a flag asks for what it was `before`; that of a model may name the very `commit` that was used."""
    if name in ("model", "load_model") and commit:
        return mine in (before, f"{split_revision(str(before))[0]}@{commit}")
    return mine == before or name in MEASURED and mine == "auto"


def recorded(folder: Path) -> dict:
    """Return the config.json of a run, its flags as one of today would have them; {} if it ended before there was one.

    Raises UserError if the folder holds something else than a run.
    """
    path = folder / CONFIG
    try:
        config = read_json(path)
        config["flags"]["seed"], config["data_fingerprint"], config["versions"]["torch"]
        return config | {"flags": recorded_flags(config["flags"])}
    except FileNotFoundError:
        if _holds_no_run(folder):
            return {}
        raise UserError(f"--resume: {folder} holds no run (no {CONFIG})") from None
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(f"--resume: {path} is no run's record ({error!r}); start a new run") from None


def _holds_no_run(folder: Path) -> bool:
    """Whether nothing is in a folder but what a run leaves that ends before its record begins."""
    return not folder.exists() or {path.name for path in folder.iterdir()} <= {LOCK, f"{CONFIG}.tmp"}


def make_numbered(folder: Path) -> Path:
    """Make `folder`, or `folder-2`, `folder-3`… if runs of the same second have taken the name."""
    number, candidate = 1, folder
    while True:
        try:
            candidate.mkdir(parents=True)
            return candidate
        except FileExistsError:
            number += 1
            candidate = folder.with_name(f"{folder.name}-{number}")
