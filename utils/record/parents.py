"""What a model was trained on before this run: by the records of the runs that it is of, on this machine."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from utils.config import RunConfig
from utils.console import NOTES
from utils.data.overlap import Trained
from utils.data.partition import make_plan
from utils.data.table import open_table
from utils.data.task import TaskSpec
from utils.errors import UserError, in_short
from utils.record.older_runs import recorded_flags
from utils.record.runlog import CONFIG, read_json


def parents(config: RunConfig, spec_of: Callable[[str], TaskSpec]) -> list[Trained]:
    """Return what `trained_before` does of the model that a run starts from; nothing of random weights."""
    names = [] if config.random_init else [config.start]
    return trained_before(names, config.data_dir, spec_of, of_runs=bool(config.load_model))


def trained_before(names: Sequence[str], data_dir: str, spec_of: Callable[[str], TaskSpec], of_runs: bool
                   ) -> list[Trained]:
    """Return the training rows of the runs that models are of, and of the runs that these began with, each once.

    `names` are as `--model` takes them; a model without a run's record gives none, and if they should be `of_runs`,
    stderr says so. A run's table is looked for where the run had it, and in `data_dir`; stderr says which runs are not
    looked at, and why. `spec_of` gives a task's spec.
    """
    found: dict[tuple[str, bytes, bytes], Trained] = {}
    records = {name: [*_records(name)] for name in names}
    for name in [name for name, some in records.items() if of_runs and not some and os.path.exists(name)]:
        NOTES.warning("overlap: what %s was trained on is not looked at: it has no run's record", name)
    for record in dict.fromkeys(record for some in records.values() for record in some):
        try:
            config = read_json(record)
            if config["flags"]["n_iterations"]:
                each = _trained(config, data_dir, spec_of)
                found.setdefault((each.table.fingerprint, each.rows.tobytes(), each.held_out.tobytes()), each)
        except (UserError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            NOTES.warning("overlap: the rows that the model was trained on in %s are not looked at: %s", record.parent,
                          in_short(error))
    return list(found.values())


def _records(name: str) -> Iterator[Path]:
    """Yield the config.json of the run that a model is of, and those of the runs it began with, as far as they go."""
    seen: set[Path] = set()
    while name:
        folder = Path(os.path.expanduser(name)).resolve()
        record = next((place / CONFIG for place in (folder, folder.parent) if _flags(place / CONFIG)), None)
        if record is None or record in seen:
            return
        seen.add(record)
        yield record
        flags = _flags(record)
        name = "" if flags.get("random_init") else str(flags.get("load_model") or flags.get("model") or "")


def _flags(record: Path) -> dict:
    """Return the flags of a run's record; {} for what is none."""
    try:
        flags = read_json(record)["flags"]
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return flags if isinstance(flags, dict) else {}


def _trained(recorded: dict, data_dir: str, spec_of: Callable[[str], TaskSpec]) -> Trained:
    """Return the training rows of a run with this config.json. Raises UserError where they are not there."""
    config = RunConfig.of(**recorded_flags(recorded["flags"]))
    spec = spec_of(config.data)
    for place in dict.fromkeys((config.data_dir, data_dir)):
        try:
            table = open_table(Path(place) / spec.name, spec)
        except UserError:
            continue
        if table.fingerprint == recorded["data_fingerprint"]:
            rows = (table.split(name) for name in (table.train_split, table.tested_split(config.test_split)))
            return Trained.by(table, make_plan(config, spec, *rows))
    raise UserError(f"its table of {spec.name} is not in {config.data_dir} any more")
