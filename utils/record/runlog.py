"""A run's record, `log/<run>/`: config.json, rounds.jsonl, failures.jsonl, summary.json."""

import importlib.metadata
import json
import os
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from utils.config import RunConfig
from utils.data.evaluation_sets import HEADLINE, HELD_OUT
from utils.machine.durable import whole_file

LIBRARIES = ("torch", "transformers", "tokenizers", "flwr", "ray", "numpy")
CONFIG = "config.json"
ROUNDS = "rounds.jsonl"
SUMMARY = "summary.json"
PREDICTIONS = "predictions.parquet"
CHECKPOINTS = "checkpoints"
CLIENT_STATES = "optimizer"  # as in the records of runs that kept no more than the moments


def read_json(path: Path) -> dict:
    """Return the object of a record's JSON file."""
    return json.loads(path.read_bytes())


def set_names(config: dict) -> tuple[str, ...]:
    """Return the names of a run's evaluation sets, as its config.json has them; the first is the task's test rows."""
    return tuple(config.get("evaluation_sets", (HEADLINE, HELD_OUT)))


def metric_names(result: dict) -> list[str]:
    """Return the names of an evaluation's metrics, the headline first."""
    return [key for key in result if key not in ("rows", "loss", "pooled", "domains")]


class RunLog:
    """Writes a run's record into `folder` as it goes; `writer` is a thread for what takes long."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        self.folder = folder
        self.config = config
        self.closed = False
        self.writer = ThreadPoolExecutor(1)

    def close(self, hurried: bool = False) -> None:
        """Write no more: the folder is let go, while threads of a run that was broken off may still be at work.

        Wait until what `writer` has at hand is on disk, unless `hurried`: this process then ends at once.
        """
        self.closed = True
        self.writer.shutdown(wait=not hurried, cancel_futures=hurried)

    def write_config(self, facts: dict) -> None:
        """Write config.json: all flags, the versions, and `facts` (data fingerprint, shard sizes, …)."""
        write_json(self.folder / CONFIG, {
            "flags": self.config.flags(), "method": self.config.method, "versions": versions(), **facts})

    def round(self, record: dict) -> None:
        """Append one object to rounds.jsonl."""
        self._append(ROUNDS, record)

    def failure(self, record: dict) -> None:
        """Append one object to failures.jsonl."""
        self._append("failures.jsonl", record)

    def _append(self, name: str, record: dict) -> None:
        """Append one line; if the disk is full, leave no half of it. Raises ValueError when the log is closed."""
        if self.closed:
            raise ValueError(f"{self.folder / name}: its run has ended")
        with (self.folder / name).open("a", encoding="utf-8") as file:
            size = file.tell()
            try:
                file.write(json_line(record))
                file.flush()
            except OSError:
                os.truncate(file.fileno(), size)
                raise

    def summary(self, summary: dict) -> None:
        """Write summary.json."""
        write_json(self.folder / SUMMARY, summary)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that a result depends on."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in LIBRARIES}}


def json_line(record: dict) -> str:
    """Return a record as a line of JSON."""
    return json.dumps(record, allow_nan=False) + "\n"


def write_json(path: Path, value: dict) -> None:
    """Write a JSON file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
