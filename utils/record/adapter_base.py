"""The model that a run's `adapter/` stands on: one that is there anyway, or the run's own `base/`."""

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
    """A folder, or a hub id with the commit `revision` of it; "" where the run is to write a folder of its own."""

    name: str
    revision: str = ""

    def beside(self, folder: Path) -> "Base":
        """Return what the adapters of the model in `folder`, …model, are to name: of its own …base by its path."""
        return self if self.name else Base(str(beside(folder, "base").resolve()))


def beside(folder: Path, what: str) -> Path:
    """Return where a run writes its …adapter, or …base, `what` of them, beside the model in `folder`, …model."""
    return folder.with_name(folder.name.removesuffix("model") + what)


def base_of(config: RunConfig, model: PreTrainedModel) -> Base | None:
    """Return what the adapters of a run that began with `model` are to be added to; None where the run writes none.

    A note says why the run writes that base itself where no other folder has it.
    """
    if config.train != "lora" or config.save_model == "none":
        return None
    folder, commit = Path(model.config.name_or_path), loading.commit_of(model)
    reason = ("--random_init has drawn their base" if config.random_init else
              f"--layers {config.layers} has cut their base" if config.layers else
              f"--strategy {config.strategy} changes their base" if STRATEGIES.load(config.strategy).moves_base else
              "their base is an adapter and its base, merged" if os.path.isfile(folder / adapter.CONFIG) else "")
    if reason:
        NOTES.info("the run writes base/ beside adapter/, as no other folder has what adapters stand on: %s", reason)
        return Base("")
    name = config.load_model or config.model
    if name == "minilm":
        return Base(MINILM)
    return Base(split_revision(name)[0], commit) if commit else Base(str(folder.resolve()))
