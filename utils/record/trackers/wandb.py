"""Weights & Biases: offline, in the run's folder `wandb/`, unless WANDB_MODE says `online`; `wandb sync` sends it."""

import os
import secrets
import shutil
from pathlib import Path

PACKAGE = "wandb"
PROJECT = "parameter-averaging"


class Tracker:
    """One run of the project `parameter-averaging`; `flags` are its config."""

    def __init__(self, name: str, folder: Path, flags: dict) -> None:
        os.environ.setdefault("WANDB_MODE", "offline")
        os.environ["WANDB_ERROR_REPORTING"] = "false"
        import wandb

        # The same id each time, so that a run that goes on is the same one on a server, which skips what it has.
        kept = folder / "wandb" / "run-id"
        run_id = kept.read_text() if kept.exists() else secrets.token_hex(8)
        shutil.rmtree(folder / "wandb", ignore_errors=True)
        kept.parent.mkdir()
        kept.write_text(run_id)
        quiet = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True)
        self.run = wandb.init(project=PROJECT, name=name, id=run_id, resume="allow", reinit="create_new",
                              dir=str(folder), config=flags, settings=quiet)

    def log(self, step: int, values: dict[str, float]) -> None:
        """Write a round's values."""
        self.run.log(values, step=step)

    def close(self) -> None:
        """End the run."""
        self.run.finish()
