"""trackio, in `trackio/` beside the runs' folders unless TRACKIO_DIR says else; `trackio show` draws it."""

import os
from contextlib import suppress
from pathlib import Path

PACKAGE = "trackio"
PROJECT = "parameter-averaging"


class Tracker:
    """One run of the project `parameter-averaging`; `flags` are its config."""

    def __init__(self, name: str, folder: Path, flags: dict) -> None:
        os.environ.setdefault("TRACKIO_DIR", str(folder.parent / "trackio"))
        import trackio

        with suppress(ValueError):  # there is no such project yet
            for before in trackio.Api().runs(PROJECT):
                if (before.config or {}).get("run_folder") == str(folder):
                    before.delete()
        self.run = trackio.init(PROJECT, name=name, config=flags | {"run_folder": str(folder)}, embed=False,
                                auto_log_gpu=False, auto_log_cpu=False)

    def log(self, step: int, values: dict[str, float]) -> None:
        """Write a round's values."""
        self.run.log(values, step=step)

    def close(self) -> None:
        """End the run."""
        self.run.finish()
