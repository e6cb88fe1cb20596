"""A run's record, `log/<run>/`: config.json, rounds.jsonl, summary.json; and its result lines on stdout."""

import importlib.metadata
import json
import os
import platform
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from utils.config import RunConfig
from utils.console import NOTES, line_to
from utils.errors import UserError
from utils.machine.durable import whole_file

LIBRARIES = ("torch", "transformers", "tokenizers", "flwr", "ray", "numpy")
ROUNDS = "rounds.jsonl"
CHECKPOINTS = "checkpoints"
CLIENT_STATES = "optimizer"  # as in the records of runs that kept no more than the moments


def read_json(path: Path) -> dict:
    """Return the object of a record's JSON file."""
    return json.loads(path.read_bytes())


def set_names(config: dict) -> tuple[str, ...]:
    """Return the names of a run's evaluation sets, as its config.json has them; the first is the task's test rows."""
    return tuple(config.get("evaluation_sets", ("test", "val")))


def metric_names(result: dict) -> list[str]:
    """Return the names of an evaluation's metrics, the headline first."""
    return [key for key in result if key not in ("rows", "loss", "domains")]


def headline(summary: dict) -> str:
    """Return the name of a run's first metric."""
    return metric_names(summary["test"])[0]


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

    def go_back(self, last: dict | None) -> list[dict]:
        """Make `last` (a record, or None for no round at all) the last round in rounds.jsonl; return all there are.

        What a killed run was writing goes: later rounds, half a line, half a model. Raises UserError when an earlier
        round is missing.
        """
        for half in self.folder.glob(".*model.*"):
            shutil.rmtree(half)
        if last is None:
            (self.folder / ROUNDS).unlink(missing_ok=True)
            return []
        try:
            lines = (self.folder / ROUNDS).read_bytes().splitlines()
            records = [*map(json.loads, lines[:last["round"]]), last]
            whole = [record["round"] for record in records] == list(range(last["round"] + 1))
        except (OSError, ValueError, LookupError, TypeError):
            whole = False
        if not whole:
            raise UserError(f"--resume: {self.folder / ROUNDS} lacks rounds before {last['round']}; start a new run")
        with whole_file(self.folder / ROUNDS) as path:
            path.write_text("".join(map(json_line, records)), encoding="utf-8")
        return records

    def write_config(self, facts: dict) -> None:
        """Write config.json: all flags, the versions, and `facts` (data fingerprint, shard sizes, …)."""
        write_json(self.folder / "config.json", {
            "flags": self.config.flags(), "method": self.config.method, "versions": versions(), **facts})

    def round(self, record: dict) -> None:
        """Append one object to rounds.jsonl, and print one line for each evaluation in it."""
        self._append(ROUNDS, record)
        for name in ("test", "val"):
            if name in record:
                print_fields(round=record["round"], split=name, **result_fields(record[name]))

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
        """Write summary.json and print the closing line."""
        write_json(self.folder / "summary.json", summary)
        print_summary(self.folder, summary)


def print_finished(folder: Path) -> None:
    """Print the closing line of a run that an earlier process has finished."""
    NOTES.info("%s is finished", folder)
    print_summary(folder, read_json(folder / "summary.json"))


def print_summary(folder: Path, summary: dict) -> None:
    """Print the closing line of the run in `folder`."""
    best = summary.get("best")
    print_fields("summary", **{key: summary[key] for key in ("data", "model", "method", "seed", "rounds")},
                 **({"best_round": best["round"]} if best else {}),
                 **result_fields(summary["test"]),
                 **{f"majority_{metric}": summary["majority"][metric] for metric in metric_names(summary["test"])},
                 run=folder)


def result_fields(result: dict) -> dict:
    """Flatten an evaluation to `rows`, `loss`, each metric (macro average), then each metric[domain]."""
    fields = {key: value for key, value in result.items() if key != "domains"}
    return fields | {f"{metric}[{name}]": domain[metric]
                     for metric in metric_names(result) for name, domain in result["domains"].items()}


def print_fields(*words: str, **fields: object) -> None:
    """Print one `key=value` line on stdout; numbers with a fraction get four decimals."""
    shown = (f"{key}={value:.4f}" if isinstance(value, float) else f"{key}={value}" for key, value in fields.items())
    line_to(sys.stdout, " ".join([*words, *shown]))


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
