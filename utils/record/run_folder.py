"""The folder of a run: its name, whether it may be written, and going on with what was done there before."""

import glob
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from utils.config import RunConfig
from utils.console import NOTES
from utils.errors import UserError
from utils.hub_names import split_revision
from utils.machine.durable import held, sync_folder
from utils.machine.scratch import PREFIX
from utils.record.older_runs import recorded_flags
from utils.record.runlog import RunLog, read_json, versions

LOCK = ".lock"  # held for as long as a run is at work in the folder


def run_folder(config: RunConfig) -> Path:
    """Return the folder that a run is to write, or with `--resume` the one that it goes on with; nothing is made yet.

    Raises UserError if a new run's `--run_dir` already holds something, because a record is never overwritten, and if
    the one to go on with was made with other flags or is none.
    """
    if config.resume and (folder := _folder_to_resume(config)):
        return folder
    folder = Path(config.run_dir)
    if config.run_dir and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--run_dir {folder}: already holds files; name a new folder or remove it, or go on with the "
                        "run there by --resume")
    folder = Path(config.run_dir or f"{_settings(config)}-{time.strftime('%Y%m%d-%H%M%S')}")
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not os.access(there, os.W_OK):
        raise UserError(f"--run_dir {folder}: {there} cannot be written to; name another folder")
    return folder


def _settings(config: RunConfig) -> Path:
    """Return the folder of a run in log/, but for the time at the end of its name."""
    return Path("log") / f"{config.data}-{config.model_name}-{config.method}-seed{config.seed}"


def _folder_to_resume(config: RunConfig) -> Path | None:
    """Return the folder to go on in; None if there is none, so that one command both starts a run and resumes it."""
    settings = _settings(config)
    runs = settings.parent.glob(f"{glob.escape(settings.name)}-*")  # a model's name may hold [ or *
    folder = Path(config.run_dir) if config.run_dir else max(runs, default=None, key=lambda run: run.stat().st_mtime)
    if folder is None or not folder.exists():
        NOTES.info("--resume: there is no such run yet: it starts now")
        return None
    if not folder.is_dir():
        raise UserError(f"--run_dir {folder}: is no folder; name another")
    before = recorded(folder)
    flags = recorded_flags(before.get("flags", {}))
    for name, mine in config.flags(of_the_result=True).items():
        if not _same(name, mine, flags.get(name, mine), before.get("model_commit")):
            raise UserError(f"--resume: {folder} was made with --{name} {flags[name]}, not {mine}; give the same "
                            "flags, or start a new run")
    return folder


def _same(name: str, mine: object, before: object, commit: str | None) -> bool:
    """Whether a flag asks for what it was `before`; that of a model may name the very `commit` that was used."""
    if name in ("model", "load_model") and commit:
        return mine in (before, f"{split_revision(str(before))[0]}@{commit}")
    return mine == before or (name, mine) == ("precision", "auto")


def recorded(folder: Path) -> dict:
    """Return the config.json of a run; {} if it ended before there was one.

    Raises UserError if the folder holds something else than a run.
    """
    path = folder / "config.json"
    try:
        config = read_json(path)
        config["flags"]["seed"], config["data_fingerprint"], config["versions"]["torch"]
        return config
    except FileNotFoundError:
        if not folder.exists() or {path.name for path in folder.iterdir()} <= {LOCK, "config.json.tmp"}:
            return {}
        raise UserError(f"--resume: {folder} holds no run (no config.json)") from None
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(f"--resume: {path} is no run's record ({error!r}); start a new run") from None


def begun(config: RunConfig, folder: Path) -> dict:
    """Return the config.json of a run that is resumed; {} for a new one."""
    return recorded(folder) if config.resume else {}


def check_resumed(config: RunConfig, folder: Path, fingerprint: str) -> RunConfig:
    """Return the config that a run goes on with: its `--precision auto` is what it was when the run began.

    Raises UserError when its rows are others than those it began with (`fingerprint` is their table's).
    """
    before = begun(config, folder)
    if not before:
        return config
    if before["data_fingerprint"] != fingerprint:
        raise UserError(f"--resume: {folder} was made with other rows of {config.data} than {config.data_dir} has now; "
                        "start a new run")
    needed = before["flags"].get("min_success", config.min_success)
    if needed != config.min_success:
        NOTES.warning("--resume: --min_success was %d and is %d from here on: rounds.jsonl names the clients that a "
                      "round's mean lacks", needed, config.min_success)
    others = [f"{name} {before['versions'].get(name)} before, {version} now" for name, version in versions().items()
              if before["versions"].get(name) != version]
    if others:
        NOTES.warning("--resume: other versions may give other bits: %s", "; ".join(others))
    return replace(config, precision=before["flags"]["precision"])


def check_commit(folder: Path, commit: str) -> None:
    """Raise UserError when the run in `folder` would go on with a model of another `commit` than it began with."""
    before = recorded(folder).get("model_commit", commit)
    if before != commit:
        names = [f"commit {each} on the hub" if each else "a folder" for each in (before, commit)]
        raise UserError(f"--resume: {folder} was made with another model: it was {names[0]}, and is {names[1]} now; "
                        "start a new run")


@contextmanager
def open_run(folder: Path, config: RunConfig) -> Iterator[RunLog]:
    """Make the folder of a run, or take it up again; yield its log, and hold the folder until the end.

    Raises UserError as `run_folder` does, when another run is at work there, and when the folder cannot be made.
    """
    with ExitStack() as stack:
        try:
            if config.run_dir or config.resume and folder.exists():
                folder.mkdir(parents=True, exist_ok=True)
            else:
                folder = make_numbered(folder)
            if not stack.enter_context(held(folder / LOCK)):
                NOTES.warning("%s: its file system has no locks: see to it that no other run goes on there (--resume) "
                              "while this one is at work; a new one still refuses a folder that holds files", folder)
            if not sync_folder(folder):
                NOTES.warning("%s: its file system does not say when a file's name is on disk: if the machine goes "
                              "down, the newest checkpoint may be lost; --resume then takes the one before", folder)
            for left in folder.glob(f"{PREFIX}*"):  # by a killed run, for its workers on other machines
                shutil.rmtree(left)
            if not config.resume and any(path.name != LOCK for path in folder.iterdir()):
                raise BlockingIOError
        except BlockingIOError:
            raise UserError(f"--run_dir {folder}: another run is at work there; name another folder") from None
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise UserError(f"--run_dir {folder}: cannot be made: {error.strerror}") from None
        log = RunLog(folder, config)
        stack.push(lambda kind, *rest: log.close(hurried=kind is KeyboardInterrupt))
        yield log


def finished(folder: Path) -> bool:
    """Return whether the run in `folder` is."""
    return (folder / "summary.json").is_file()


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
