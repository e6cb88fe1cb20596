"""Runs, read from their records and sorted into what can be compared."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

from reports.values import NUMBER, Kind, is_number, parse, read_json, read_text, take
from utils.config import RunConfig
from utils.errors import UserError
from utils.flags import fields_of
from utils.record.older_runs import recorded_flags
from utils.record.runlog import headline, metric_names

#: flags that do not change what a method is: where it ran and wrote, and the seed that runs are averaged over
INCIDENTAL = {field.name for field in fields_of(RunConfig) if not field.metadata["changes_results"]} | {
    "seed", "n_cpu", "n_gpus", "gpus_per_client", "skip_evalnum"}
DEFAULTS = {field.name: field.default for field in fields_of(RunConfig)}
#: flags that decide on which rows, and in what form, a run is tested
TESTED_ON = ("data", "test", "test_split", "max_length")
RECORD = ("config.json", "rounds.jsonl", "summary.json")
#: what must be in config.json's flags and in summary.json
FLAGS: dict[str, Kind] = {"seed": int, "epoch": int, "data": str, "test": int, "test_split": str, "max_length": int}
SUMMARY: dict[str, Kind] = {"data": str, "model": str, "rows_trained": NUMBER, "test": dict, "majority": dict}


@dataclass(frozen=True)
class Run:
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
class Unfinished:
    """A run that has no summary.json: it failed, was stopped, or still runs."""

    folder: Path
    config: dict
    state: str


@dataclass(frozen=True)
class Comparison:
    """Runs of one model tested on the same rows: `methods[name]` are a method's runs, by seed."""

    title: str
    task: str
    model: str
    metric: str
    domains: tuple[str, ...]
    methods: dict[str, list[Run]]
    settings: dict[str, object] = field(default_factory=dict)  #: flags, that set it apart from another comparison


@dataclass(frozen=True)
class Records:
    """All that was found below some folders."""

    comparisons: list[Comparison]
    unfinished: list[Unfinished]


def read_records(folders: list[Path]) -> Records:
    """Return the runs in or below `folders`, the finished ones grouped by model (and its commit) and test rows.

    Where a method's runs differ in more than their seed, in the learning rate say, each setting is a comparison of
    its own. Raises UserError when there is no finished run, when a record is missing, broken off or malformed (naming
    file and line), and when two runs are of one method, setting and seed.
    """
    groups: dict[tuple, list[Run]] = defaultdict(list)
    unfinished = []
    for folder in run_folders(folders):
        run = read_run(folder)
        if isinstance(run, Unfinished):
            unfinished.append(run)
            continue
        tested_on = tuple(run.config["flags"][name] for name in TESTED_ON)
        model = run.summary["model"], str(run.config.get("model_commit", "")), setting(run, "random_init")
        groups[model, run.config["data_fingerprint"], tuple(run.summary["test"]["domains"]), tested_on].append(run)
    if not groups:
        stopped = f" ({len(unfinished)} without summary.json: failed, stopped or still running)" if unfinished else ""
        raise UserError(f"no finished run in {', '.join(map(str, folders))}{stopped}")
    names = varied(groups.values())
    compared = [comparison(some, settings) for runs in groups.values() for settings, some in by_settings(runs, names)]
    return Records(with_titles(compared), unfinished)


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
    return not {"rounds.jsonl", "summary.json"} & {*files} and "flags" not in read_json(folder / "config.json")


def read_run(folder: Path) -> Run | Unfinished:
    """Return one record; raises UserError naming the file (and line) where it is not as a run writes it."""
    config = read_json(folder / "config.json")
    flags = take(config, "flags", dict, folder / "config.json")
    take(config, "method", str, folder / "config.json")
    take(config, "data_fingerprint", str, folder / "config.json")
    config["flags"] = recorded_flags(flags)
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
        return Unfinished(folder, config, state + asked + (", the next one broken off" if broken_off else ""))
    summary = read_json(folder / "summary.json")
    for name, kind in SUMMARY.items():
        take(summary, name, kind, folder / "summary.json")
    check_result(summary["test"], folder / "summary.json")
    metric, domains = headline(summary), summary["test"]["domains"]
    check_result(summary["majority"], folder / "summary.json", metric, domains)
    for line, record in enumerate(rounds, start=1):
        if "test" in record:
            check_result(take(record, "test", dict, folder / "rounds.jsonl"),
                         f"{folder / 'rounds.jsonl'} line {line}", metric, domains)
    return Run(folder, config, rounds, summary)


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
        record = parse(line, where)
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


def setting(run: Run, name: str) -> object:
    """Return a flag of a run; an older record, which lacks a newer flag, had its default."""
    return run.config["flags"].get(name, DEFAULTS.get(name))


def varied(groups: Iterable[list[Run]]) -> list[str]:
    """Return the flags, other than the seed, in which two runs of one method of any group differ."""
    found = set()
    for runs in groups:
        names = {name for run in runs for name in run.config["flags"]} - INCIDENTAL
        for run, other in combinations(runs, 2):
            if run.method == other.method:
                found |= {name for name in names if setting(run, name) != setting(other, name)}
    return sorted(found)


def by_settings(runs: list[Run], names: list[str]) -> list[tuple[dict[str, object], list[Run]]]:
    """Sort runs by their values of the flags `names`: ({flag: value}, its runs)."""
    groups: dict[tuple, list[Run]] = defaultdict(list)
    for run in runs:
        groups[tuple(setting(run, name) for name in names)].append(run)
    return [(dict(zip(names, values)), some) for values, some in groups.items()]


def comparison(runs: list[Run], settings: dict[str, object]) -> Comparison:
    """Sort runs of one model, one set of test rows and these `settings` by method; raises UserError as read_records."""
    methods: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        for other in methods[run.method]:
            if run.seed == other.seed:
                raise UserError(f"{other.folder} and {run.folder} are both {run.method} with --seed {run.seed}: "
                                "give one of them")
        methods[run.method].append(run)
    first, flags = runs[0].summary, runs[0].config["flags"]
    model = first["model"] if not os.path.isabs(first["model"]) else Path(first["model"]).name
    words = [first["data"], model + (", random weights" if flags.get("random_init") else "")]
    words += [f"{flags['test']} rows per domain"] if flags["test"] else []
    words += [flags["test_split"]] if flags["test_split"] else []
    words += [f"{name} {value}" for name, value in settings.items()]
    in_order = sorted(methods, key=lambda name: (not name.startswith("centralized"), not name.startswith("iid"),
                                                 not name.startswith("noniid"), name))
    return Comparison(", ".join(words), first["data"], model, headline(first), tuple(first["test"]["domains"]),
                      {name: sorted(methods[name], key=lambda run: run.seed) for name in in_order}, settings)


def with_titles(compared: list[Comparison]) -> list[Comparison]:
    """Return the comparisons in the order of their titles; those that would share one get more words in it."""
    def longer(one: Comparison) -> Comparison:
        run = next(iter(one.methods.values()))[0]
        domains = one.domains[0] if len(one.domains) == 1 else f"{len(one.domains)} domains, {one.domains[0]} …"
        words = (run.summary["model"], str(run.config.get("model_commit", ""))[:7],
                 f"{run.config['flags']['max_length']} tokens, data {run.config['data_fingerprint'][:8]}, {domains}")
        return replace(one, title=f"{one.title} ({', '.join(filter(None, words))})")

    taken = Counter(one.title for one in compared)
    return sorted((longer(one) if taken[one.title] > 1 else one for one in compared), key=lambda one: one.title)
