"""One run's record, read and checked: what is wrong in it names the file, and the line."""

import os
from dataclasses import dataclass
from pathlib import Path

from reports.values import NUMBER, Kind, is_number, parse_object, read_object, read_text, take
from utils.errors import UserError
from utils.record.runlog import headline, metric_names

RECORD = ("config.json", "rounds.jsonl", "summary.json")
#: what must be in config.json's flags and in summary.json
FLAGS: dict[str, Kind] = {"seed": int, "epoch": int, "data": str, "test": int, "test_split": str, "max_length": int}
SUMMARY: dict[str, Kind] = {"data": str, "model": str, "rows_trained": NUMBER, "test": dict, "majority": dict}


@dataclass(frozen=True)
class FinishedRun:
    """A finished run's record: its folder, config.json, rounds.jsonl and summary.json."""

    folder: Path
    config: dict
    rounds: list[dict]
    summary: dict

    @property
    def method(self) -> str:
        return self.config["method"]

    @property
    def seed(self) -> int:
        return self.config["flags"]["seed"]

    @property
    def rows_trained(self) -> float:
        """The budget: rows that it trained on, each as often as it was passed over."""
        return self.summary["rows_trained"]

    @property
    def left_out(self) -> str:
        """The rounds whose mean was made without some participants (--min_success); "" if there is none."""
        rounds = {record["round"]: ", ".join(failure.partition(":")[0] for failure in record.get("failed", []))
                  for record in self.rounds}
        return "; ".join(f"round {number} without {clients}" for number, clients in rounds.items() if clients)

    def score(self, metric: str, domain: str | None = None) -> float:
        """Return the last round's test metric of one domain, or the macro average."""
        test = self.summary["test"]
        return test[metric] if domain is None else test["domains"][domain][metric]


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that has no summary.json: it failed, was stopped, or still runs."""

    folder: Path
    config: dict
    state: str


def run_folders(folders: list[Path]) -> list[Path]:
    """Return the folders in or below `folders` that hold a record, sorted, each once."""
    found: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder")
        for place, below, files in os.walk(folder):
            if any(name in files for name in RECORD) and not is_model(Path(place), files):
                found.setdefault(Path(place).resolve(), Path(place))
                below[:] = [name for name in below if name not in ("model", "best_model")]
    return sorted(found.values())


def is_model(folder: Path, files: list[str]) -> bool:
    """Say whether `folder` holds a Hugging Face model's config.json rather than a run's."""
    return not {"rounds.jsonl", "summary.json"} & {*files} and "flags" not in read_object(folder / "config.json")


def read_run(folder: Path) -> FinishedRun | UnfinishedRun:
    """Return one record; raises UserError naming the file (and line) where it is not as a run writes it."""
    config = read_object(folder / "config.json")
    flags = take(config, "flags", dict, folder / "config.json")
    take(config, "method", str, folder / "config.json")
    take(config, "data_fingerprint", str, folder / "config.json")
    for name, kind in FLAGS.items():
        take(flags, name, kind, folder / "config.json")
    for key in ("shards", *(("shard_labels",) if "shard_labels" in config else ())):
        for shard in take(config, key, list, folder / "config.json"):
            if not isinstance(shard, dict) or not all(is_number(rows) for rows in shard.values()):
                raise UserError(f"{folder / 'config.json'}: {key} must hold numbers of rows, client by client")
    finished = (folder / "summary.json").exists()
    rounds, broken_off = read_rounds(folder / "rounds.jsonl", finished)
    if not finished:
        last = rounds[-1]["round"] if rounds else None
        state = "no round recorded" if last is None else f"last round recorded: {last}"
        asked = f" of {flags['n_iterations']}" if last is not None and "n_iterations" in flags else ""
        return UnfinishedRun(folder, config, state + asked + (", the next one broken off" if broken_off else ""))
    summary = read_object(folder / "summary.json")
    for name, kind in SUMMARY.items():
        take(summary, name, kind, folder / "summary.json")
    check_result(summary["test"], folder / "summary.json")
    metric, domains = headline(summary), summary["test"]["domains"]
    check_result(summary["majority"], folder / "summary.json", metric, domains)
    for line, record in enumerate(rounds, start=1):
        if "test" in record:
            check_result(take(record, "test", dict, folder / "rounds.jsonl"),
                         f"{folder / 'rounds.jsonl'} line {line}", metric, domains)
    return FinishedRun(folder, config, rounds, summary)


def read_rounds(path: Path, finished: bool) -> tuple[list[dict], bool]:
    """Return the objects of rounds.jsonl and whether a last line without its end was left out.

    An unfinished run may have been killed in the middle of a line, or before the first; a finished one was not.
    """
    if not finished and not path.exists():
        return [], False
    *lines, rest = read_text(path).split("\n")
    if rest and finished:
        raise UserError(f"{path} line {len(lines) + 1}: broken off")
    if not lines and finished:
        raise UserError(f"{path}: is empty")
    rounds = []
    for number, line in enumerate(lines, start=1):
        where = f"{path} line {number}"
        record = parse_object(line, where)
        take(record, "round", int, where)
        for client in take(record, "clients", list, where):
            if not isinstance(client, dict):
                raise UserError(f"{where}: clients must hold objects")
            take(client, "rows", NUMBER, where)
            if "drift" in client:
                take(client, "drift", NUMBER, where)
        if "failed" in record and not all(isinstance(failure, str) for failure in take(record, "failed", list, where)):
            raise UserError(f"{where}: failed must hold texts")
        if "seconds" in record:
            for phase in take(record, "seconds", dict, where):
                take(record["seconds"], phase, NUMBER, where)
        rounds.append(record)
    return rounds, bool(rest)


def check_result(result: dict, where: Path | str, metric: str = "", domains: dict | None = None) -> None:
    """Raise UserError unless `result` has a metric, the same ones for each domain (and those that are named)."""
    parts = take(result, "domains", dict, where)
    names = [metric] if metric else metric_names(result)
    if not names or not parts or not all(isinstance(part, dict) for part in parts.values()):
        raise UserError(f"{where}: holds no metric or no domain")
    if domains is not None and parts.keys() != domains.keys():
        raise UserError(f"{where}: has other domains than the summary's test")
    for part in (result, *parts.values()):
        for name in names:
            take(part, name, NUMBER, where)
