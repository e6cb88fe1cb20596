"""The model that a run's `adapter/` stands on, as its files name it."""

import os
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel

from utils.config import RunConfig
from utils.console import NOTES
from utils.hub_names import MINILM, split_revision
from utils.model import adapter, loading
from utils.plugins import STRATEGIES


@dataclass(frozen=True)
class Base:
    """A folder, or a hub id with the commit `revision` of it."""

    name: str
    revision: str = ""


def base_of(config: RunConfig, model: PreTrainedModel) -> Base | None:
    """Return what the adapters of a run that began with `model` are to be added to; None for a run without adapters.

    None, too, where no folder has their base: a note says why the run writes model/ alone.
    """
    if config.train != "lora":
        return None
    folder, commit = Path(model.config.name_or_path), loading.commit_of(model)
    reason = ("--random_init has drawn their base" if config.random_init else
              f"--strategy {config.strategy} changes their base" if STRATEGIES.load(config.strategy).moves_base else
              "their base is an adapter and its base, merged" if os.path.isfile(folder / adapter.CONFIG) else "")
    if reason:
        NOTES.info("the run writes model/ with its adapters merged, and no adapter/: %s, so no folder has it", reason)
        return None
    name = config.load_model or config.model
    if name == "minilm":
        return Base(MINILM)
    return Base(split_revision(name)[0], commit) if commit else Base(str(folder.resolve()))
