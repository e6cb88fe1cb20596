"""What of a study's runs can be seen to fail before the first one: without loading a model, and without network."""

from collections.abc import Sequence, Set
from pathlib import Path

import preprocess.common as preprocess
from sweeps.models import PlannedModels, lies_in, start_of
from sweeps.study import PlannedRun, Study
from utils.config import RunConfig
from utils.errors import UserError
from utils.model import local


def check_runs(study: Study, runs: Sequence[PlannedRun], models: Sequence[PlannedModels]) -> None:
    """Raise UserError, naming the run, for one that asks for rows or layers that are not there.

    Its tasks are looked at; and the task's table, and the model's config.json, where they are on this machine.
    """
    made = {run.folder for run in runs}
    for run in runs:
        if not run.has_ended:
            try:
                check_rows(run.config)
                check_layers(run.config, models, made)
            except UserError as error:
                raise UserError(f"{study.path}: run {run.name}: {error}") from None


def check_rows(config: RunConfig) -> None:
    """Raise UserError, naming the flag, for a task or a domain that a run cannot have; a stale table is made anew."""
    from utils.data.partition import domains_by, left_out
    from utils.data.table import CARD, StaleTable, open_table

    spec, _ = preprocess.specs_of(config)
    folder = Path(config.data_dir) / spec.name
    if not (folder / CARD).exists():
        return
    try:
        table = open_table(folder, spec)
    except StaleTable:
        return
    train, tested = (table.card["splits"][name]["domains"] for name in (
        table.train_split, table.tested_split(config.test_split)))
    left_out(config.hold_out_domain, domains_by(config, spec), spec, train, tested)


def check_layers(config: RunConfig, models: Sequence[PlannedModels], made: Set[Path]) -> None:
    """Raise UserError for more --layers than the model has, which this study makes, or whose config.json says it.

    `made`: the folders that runs of this study make, which may not be whole yet.
    """
    start = start_of(config)
    if have := next((one.flags.layers for one in models if one.serve(config)), 0):
        local.check_number(str(start), have, config.layers)
    elif not lies_in(start, made):
        local.check_layers(config)
