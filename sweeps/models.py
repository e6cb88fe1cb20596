"""The models that a study has pretrain.py make before its runs: which there are, and their making, some at a time."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from pretraining.flags import PretrainFlags, parse
from pretraining.made_by import check_made_by
from sweeps.board import Board, last_words
from sweeps.places import filled
from sweeps.study import PROGRAM, PlannedRun, Study, as_words
from utils.config import RunConfig
from utils.console import NOTES
from utils.errors import UserError
from utils.flags import FEW, nearest
from utils.hub_names import is_path
from utils.machine.workers import usable_cores
from utils.model.pretraining import CARD, read_pretraining
from utils.record.runlog import CONFIG

PRETRAIN = Path(__file__).resolve().parents[1] / "pretrain.py"
TRIES = 2  # of a process that a signal ends: it goes on once


@dataclass(frozen=True)
class PlannedModels:
    """Models of one command line of pretrain.py, whose words are `words`, by budget; `name` says what sets it apart."""

    name: str
    words: tuple[str, ...]
    flags: PretrainFlags

    @property
    def folder(self) -> Path:
        """The folder of their folders."""
        return Path(self.flags.out)

    @property
    def state(self) -> str:
        """`finished`, `resume` or `new`."""
        if all((self.folder / label / CARD).is_file() for label in self.flags.budgets):
            return "finished"
        return "resume" if self.folder.exists() else "new"

    def serve(self, config: RunConfig) -> bool:
        """Say whether a run starts from one of them."""
        return start_of(config).is_relative_to(self.folder)


def start_of(config: RunConfig) -> Path:
    """Return what a run starts from, as a path."""
    return Path(config.start)


def planned_models(study: Study, runs: Sequence[PlannedRun]) -> list[PlannedModels]:
    """Return the models of the tables [pretrain.NAME] that these runs start from.

    A flag that pretrain.py would not take exits with 2 and one line that names the table. Raises UserError for two
    tables of one folder, for a run that starts from what a table's models lack, for models that were made by other
    flags than the table has now, and for a finished run of another model than is there now.
    """
    found = every_table(study, runs)
    folders = [models.folder for models in found]
    for models in found:
        if folders.count(models.folder) > 1:
            raise UserError(f"{study.path}: {models.name}: another table of [pretrain] has the folder {models.folder}; "
                            "give one of them another out")
        there = {models.folder / label for label in models.flags.budgets}
        for run in runs:
            if models.serve(run.config) and start_of(run.config) not in there:
                raise UserError(f"{study.path}: run {run.name}: --{run.config.start_flag} {start_of(run.config)}: "
                                f"{models.name} makes {', '.join(models.flags.budgets)} there")
    needed = [models for models in found if any(models.serve(run.config) for run in runs)]
    for models in needed:
        try:
            check_made_by(models.flags)
        except UserError as error:
            raise UserError(f"{study.path}: {models.name}: {error}") from None
        for run in runs:
            if run.has_ended and models.serve(run.config):
                check_start(study, run)
    return needed


def check_there(study: Study, runs: Sequence[PlannedRun], dry_run: bool = False) -> None:
    """Raise UserError where one of the runs is to start from a folder that is not there, and that the study makes not.

    Models of the tables [pretrain.NAME] are made, and the runs' records. Of folders outside of the study's own, which
    are made by hand, a `dry_run` says how many are not there.
    """
    made = every_table(study, runs)
    folders = {*(one.folder for one in made), *(run.folder for run in runs)}
    lacking: dict[Path, PlannedRun] = {}
    for run in runs:
        start = start_of(run.config)
        if run.has_ended or start.expanduser().exists() or lies_in(start, folders):
            continue
        if study.folder.parts and start.is_relative_to(study.folder):  # of ".", models of the hub would be, too
            names = [str(one.folder / label) for one in made for label in one.flags.budgets]
            tables = f"the tables make {', '.join(str(one.folder) for one in made[:FEW])}{', …' * (len(made) > FEW)}"
            raise UserError(f"{study.path}: run {run.name}: --{run.config.start_flag} {start}: is not there, and no "
                            f"table [pretrain.NAME] makes it{nearest(str(start), names)}; "
                            f"{tables if made else 'there are none'}")
        if is_path(str(start)):
            lacking.setdefault(start, run)
    if lacking:
        start, run = next(iter(lacking.items()))
        others = f"; nor are {len(lacking) - 1} more that runs start from" * (len(lacking) > 1)
        message = (f"{study.path}: run {run.name}: --{run.config.start_flag} {start}: is not there{others}; make it "
                   "before the study is run, or name another model")
        if not dry_run:
            raise UserError(message)
        NOTES.warning(message)


def lies_in(path: Path, folders: Set[Path]) -> bool:
    """Return whether a path is one of these folders, or below one."""
    return not folders.isdisjoint((path, *path.parents))


def check_start(study: Study, run: PlannedRun) -> None:
    """Raise UserError where a finished run is of another model than lies where it starts from; none may lie there."""
    if run.config.load_model or run.config.random_init:
        return  # its record has no model's card
    now, path = read_pretraining(start_of(run.config)), run.folder / CONFIG
    try:
        recorded = json.loads(path.read_bytes()).get("pretraining")
    except (OSError, ValueError, AttributeError, RecursionError):
        return  # the run itself, or the report, says what is wrong with its record
    if now is not None and recorded != now:
        raise UserError(f"{study.path}: run {run.name}: --model {start_of(run.config)} is another model now than "
                        f"{path} has; remove the run's folder, or give another --out")


def every_table(study: Study, runs: Sequence[PlannedRun]) -> list[PlannedModels]:
    """Return the models of all tables [pretrain.NAME], for the seeds of these runs."""
    return [models for name in study.tables.get("pretrain", {}) for models in of_table(study, name, runs)]


def of_table(study: Study, name: str, runs: Sequence[PlannedRun]) -> Iterator[PlannedModels]:
    """Yield the models of the table [pretrain.`name`]: for each of the runs' seeds, if it has `{seed}` in a text."""
    table = study.tables["pretrain"][name]
    of_two = [filled(as_words(table), seed, study.folder, f"{study.path}: models/{name}") for seed in (0, 1)]
    by_seed = of_two[0] != of_two[1]
    flags = {"out": f"{{out}}/models/{'seed{seed}/' * by_seed}{name}", "data_dir": runs[0].config.data_dir} | table
    for seed in sorted({run.config.seed for run in runs}) if by_seed else [0]:
        called = f"models/{name}{f'-seed{seed}' * by_seed}"
        asked = f"{study.path}: {called}"
        words = filled(as_words(flags), seed, study.folder, asked)
        yield PlannedModels(called, words, parse([*words], study.tasks, prog=f"{PROGRAM}: {asked}"))


def make(models: Sequence[PlannedModels], folder: Path, jobs: int) -> dict[str, str]:
    """Make these models, `jobs` command lines at once (0: as many as have cores); return why, by name, of failures.

    Stdout is added to <name>.txt in `folder`, and stderr is <name>.err. An interrupt ends those at work, too.
    """
    most = max(1, usable_cores() // max(one.flags.threads for one in models))
    at_once = min(jobs or most, most)
    board, waiting = Board(len(models), "model"), [*models]
    running: dict[str, tuple[PlannedModels, subprocess.Popen]] = {}
    tries: Counter[str] = Counter()
    try:
        with board.shown():
            while waiting or running:
                for one in waiting[:at_once - len(running)]:
                    waiting.remove(one)
                    running[one.name] = one, started(one, folder)
                    tries[one.name] += 1
                    if tries[one.name] == 1:
                        board.start(one.name)
                time.sleep(0.1)
                board.refresh()
                for one, process in [*running.values()]:
                    if (code := process.poll()) is None:
                        continue
                    del running[one.name]
                    if code < 0 and tries[one.name] < TRIES:
                        waiting.insert(0, one)
                        continue
                    said = last_words((folder / f"{one.name}.err").read_text(errors="replace"))
                    board.end(one.name, f"exit code {code}: {said}" if code else "")
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.wait()
    return board.failed


def started(models: PlannedModels, folder: Path) -> subprocess.Popen:
    """Start pretrain.py, in a group of its own: a terminal's Ctrl-C reaches it once, from the study."""
    results, messages = (folder / f"{models.name}.{ending}" for ending in ("txt", "err"))
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("a") as out, messages.open("w") as err:
        return subprocess.Popen([sys.executable, PRETRAIN, *models.words], stdin=subprocess.DEVNULL, stdout=out,
                                stderr=err, start_new_session=True)
