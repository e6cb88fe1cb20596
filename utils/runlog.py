"""A run's record, `log/<run>/`: config.json, rounds.jsonl, summary.json; and its result lines on stdout."""

import dataclasses
import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path

from utils.config import RunConfig
from utils.errors import UserError

RECORDED_VERSIONS = ("torch", "transformers", "tokenizers", "flwr", "ray", "numpy")


def finished_runs(folders: list[Path]) -> list[Path]:
    """Return the folder of each finished run in or below `folders`, sorted; raise UserError when there is none."""
    found = sorted({path.parent for folder in folders for path in folder.rglob("summary.json")})
    if not found:
        raise UserError(f"no finished run (summary.json) in {', '.join(map(str, folders))}")
    return found


def read_json(path: Path) -> dict:
    """Return the object of a record's JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def metric_names(result: dict) -> list[str]:
    """Return the names of an evaluation's metrics, the headline first."""
    return [key for key in result if key not in ("rows", "loss", "domains")]


def headline(summary: dict) -> str:
    """Return the name of a run's first metric."""
    return metric_names(summary["test"])[0]


def check_run_dir(config: RunConfig) -> None:
    """Raise UserError if `--run_dir` already holds something: a record is never overwritten."""
    folder = Path(config.run_dir)
    if config.run_dir and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"--run_dir {folder}: already holds files; name a new folder or remove it")


def new_run_dir(config: RunConfig) -> Path:
    """Make and return the folder of a new run; raise UserError as check_run_dir does, or if it cannot be made."""
    check_run_dir(config)
    model = Path((config.load_model or config.model).rstrip("/")).name
    name = f"{config.data}-{model}-{config.method}-seed{config.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = Path(config.run_dir or Path("log") / name)
    try:
        if config.run_dir:
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        return make_numbered(folder)
    except OSError as error:
        raise UserError(f"--run_dir {folder}: cannot be made: {error.strerror}") from None


def make_numbered(folder: Path) -> Path:
    """Make `folder`, or `folder-2`, `folder-3`… if runs of the same second have taken the name."""
    number, candidate = 1, folder
    while True:
        try:
            candidate.mkdir(parents=True)
            return candidate
        except FileExistsError:
            number += 1
            candidate = folder.with_name(f"{folder.name}-{number}")


class RunLog:
    """Writes a run's record into `folder` as it goes."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        self.folder = folder
        self.config = config

    def write_config(self, facts: dict) -> None:
        """Write config.json: all flags, the versions, and `facts` (data fingerprint, shard sizes, …)."""
        versions = {name: importlib.metadata.version(name) for name in RECORDED_VERSIONS}
        write_json(self.folder / "config.json", {
            "flags": dataclasses.asdict(self.config), "method": self.config.method,
            "versions": {"python": platform.python_version(), **versions}, **facts})

    def round(self, record: dict) -> None:
        """Append one object to rounds.jsonl, and print one line for each evaluation in it."""
        with (self.folder / "rounds.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")
        for name in ("test", "val"):
            if name in record:
                print_fields(round=record["round"], split=name, **result_fields(record[name]))

    def summary(self, summary: dict) -> None:
        """Write summary.json and print the closing line."""
        write_json(self.folder / "summary.json", summary)
        best = summary.get("best")
        print_fields("summary", **{key: summary[key] for key in ("data", "model", "method", "seed", "rounds")},
                     **({"best_round": best["round"]} if best else {}),
                     **result_fields(summary["test"]),
                     **{f"majority_{metric}": summary["majority"][metric] for metric in metric_names(summary["test"])},
                     run=self.folder)


def result_fields(result: dict) -> dict:
    """Flatten an evaluation to `rows`, `loss`, each metric (macro average), then each metric[domain]."""
    fields = {key: value for key, value in result.items() if key != "domains"}
    return fields | {f"{metric}[{name}]": domain[metric]
                     for metric in metric_names(result) for name, domain in result["domains"].items()}


def print_fields(*words: str, **fields) -> None:
    """Print one `key=value` line on stdout; numbers with a fraction get four decimals."""
    shown = (f"{key}={value:.4f}" if isinstance(value, float) else f"{key}={value}" for key, value in fields.items())
    print(*words, *shown, flush=True)


def write_json(path: Path, value: dict) -> None:
    """Write a JSON file whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)
