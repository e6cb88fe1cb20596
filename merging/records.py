"""What the records of finished runs say of their models: the one they began with, the rows they were trained on."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from merging.models import SavedModel
from utils.errors import UserError
from utils.hub_names import split_revision
from utils.record.runlog import CONFIG, read_json

NUMBER = re.compile(r"(?=\.?\d)\d{0,12}(\.\d{0,12})?", re.ASCII)


@dataclass(frozen=True)
class Origin:
    """What a run's model was trained on and from: `rows`, and `start` as `--model` takes it ("": random weights)."""

    rows: int
    start: str
    layers: int = 0  #: the first ones of `start` that the run has kept; 0: all


def origin_of(model: SavedModel) -> Origin | None:
    """Return what is on record of a finished run's model; None for a model that is of no run, or not of its end."""
    record = model.folder.parent / CONFIG
    if model.folder.name != "model" or not record.is_file():
        return None
    try:
        config = read_json(record)
        flags = config["flags"]
        start, commit = str(flags.get("load_model") or flags["model"]), config.get("model_commit") or ""
        rows = sum(sum(shard.values()) for shard in config["shards"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    if flags.get("random_init"):
        start = ""
    return Origin(rows, f"{split_revision(start)[0]}@{commit}" if start and commit else start, flags.get("layers", 0))


def common_start(origins: Sequence[Origin | None]) -> str | None:
    """Return the model that all runs began with; None if they did not agree, or not all models are of runs."""
    starts = {None if origin is None or not origin.start else origin.start for origin in origins}
    return starts.pop() if len(starts) == 1 else None


def weights_of(typed: str, models: Sequence[SavedModel], origins: Sequence[Origin | None]) -> tuple[list[int], str]:
    """Return what each model weighs, and by what: `--weights` in whole numbers, else the runs' rows, else 1 each.

    Raises UserError, naming `--weights`, for what is no list of so many numbers.
    """
    if typed:
        words = typed.split(",")
        weights = [Fraction(word) for word in words if NUMBER.fullmatch(word)]
        if len(weights) != len(words) or len(words) != len(models) or not sum(weights):
            raise UserError(f"--weights {typed}: must be {len(models)} numbers as 3 or 0.25, one for each model, with "
                            "commas between them; none below 0, nor with an exponent, and not all 0")
        parts = math.lcm(*(weight.denominator for weight in weights))
        return [int(weight * parts) for weight in weights], "--weights"
    known = [origin.rows for origin in origins if origin is not None]
    if len(known) == len(models) and all(known):
        return known, "the rows that each run was trained on"
    return [1] * len(models), "alike"


