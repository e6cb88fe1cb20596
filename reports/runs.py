"""One run's record, read and checked: what is wrong in it names the file, and the line."""

import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.pretrained import check_pretraining, pretrained_name
from reports.values import NUMBER, Kind, check_numbers, is_number, parse_object, read_object, read_text, take
from utils.config import RunConfig
from utils.data.evaluation_sets import HELD_OUT
from utils.errors import UserError
from utils.flags import fields_of
from utils.record.older_runs import recorded_flags
from utils.record.runlog import metric_names, set_names

RECORD = ("config.json", "rounds.jsonl", "summary.json")
#: flags that do not change what a method is: where it ran and wrote, what became of clients that failed (the tables'
#: notes name the runs that lack some), and the seed that runs are averaged over
INCIDENTAL = {field.name for field in fields_of(RunConfig) if field.metadata["may_change"]} | {
    "seed", "fp32_products", "compile", "deterministic", "n_cpu", "n_gpus", "gpus_per_client", "skip_evalnum"}
#: what must be in config.json's flags and in summary.json
OF_FLAGS: dict[str, Kind] = {"seed": int, "epoch": int, "data": str, "test": int, "test_split": str, "max_length": int}
OF_SUMMARY: dict[str, Kind] = {"data": str, "model": str, "rows_trained": NUMBER, "majority": dict}
#: what config.json says of which rows a set has, if it does: (key, key of each set's object in that)
SET_FACTS = ("sets", "rows_fingerprint"), ("ood", "fingerprint"), ("overlap", "dropped")


@dataclass(frozen=True)
class FinishedRun:
    """A finished run's record: its folder, config.json, rounds.jsonl and summary.json.

    `apart`: flags of pretrain.py in which its model may differ from others', and which are a part of its name;
    `of_seeds`: its model's folder as a study has it, with `seed{seed}`, where each seed has one of its own.
    """

    folder: Path
    config: dict
    rounds: list[dict]
    summary: dict
    apart: tuple[str, ...] = ()
    of_seeds: str = ""

    @property
    def method(self) -> str:
        return self.config["method"]

    @property
    def seed(self) -> int:
        return self.config["flags"]["seed"]

    @property
    def called(self) -> str:
        """What notes call it."""
        return f"{self.method} (seed {self.seed})"

    @property
    def sets(self) -> tuple[str, ...]:
        """The evaluation sets that the summary has results on, the task's test rows first.

        Older records, which do not name their sets, have no others in the summary.
        """
        first, *further = set_names(self.config)
        return (first, *(name for name in further if name in self.summary or "evaluation_sets" in self.config))

    @property
    def metric(self) -> str:
        """The headline metric."""
        return metric_names(self.summary[self.sets[0]])[0]

    @property
    def rows_trained(self) -> float:
        """The budget: rows that it trained on, each as often as it was passed over."""
        return self.summary["rows_trained"]

    @property
    def held_out(self) -> float | None:
        """The headline metric on the held-out training rows after the last round; None for a run without them."""
        return self.after_all(HELD_OUT, self.metric) if HELD_OUT in self.sets else None

    def after_all(self, name: str, what: str) -> float:
        """Return a metric, or the loss, on an evaluation set after the last round."""
        return self.summary[name][what]

    def flag(self, name: str) -> object:
        """Return the value of a flag; None where the run's plug-ins have no such flag.

        Of a model that has a folder for each seed --model is its name.
        """
        own = self.pretraining or self.of_seeds
        return self.model if name == "model" and own else self.config["flags"].get(name)

    @property
    def pretraining(self) -> dict | None:
        """What config.json says of the model's pre-training in miniature; None for any other model."""
        return self.config.get("pretraining")

    @property
    def model(self) -> str:
        """What it starts from: a model's name or folder, or the name of what was pre-trained in miniature."""
        if self.pretraining:
            return pretrained_name(Path(self.summary["model"]).name, self.pretraining, self.apart)
        return self.of_seeds or self.summary["model"]

    @property
    def step_ratio(self) -> float | None:
        """The length of its rounds' steps over that of the plain means', on average; None where it is not recorded."""
        ratios = [record["step"].get("ratio") for record in self.rounds if "step" in record]
        known = [ratio for ratio in ratios if ratio is not None]  # a mean that does not move gives none
        return statistics.mean(known) if known else None

    @property
    def left_out(self) -> str:
        """The rounds whose mean was made without some participants (--min_success); "" if there is none."""
        rounds = {record["round"]: ", ".join(failure.partition(":")[0] for failure in record.get("failed", []))
                  for record in self.rounds}
        return "; ".join(f"round {number} without {clients}" for number, clients in rounds.items() if clients)

    def majority(self, name: str) -> dict | None:
        """Return what the commonest training label gives on an evaluation set; None if that is not recorded."""
        return self.summary["majority"] if name == self.sets[0] else self.summary.get("majority_of", {}).get(name)

    def rows_of(self, name: str) -> dict[str, Any] | None:
        """Return what is on record of which rows an evaluation set has; None for a run without it.

        Older records lack the rows' fingerprint, or how many of them are left out because they are trained on.
        """
        if name not in self.sets:
            return None
        found = {"rows": {domain: part.get("rows") for domain, part in self.summary[name]["domains"].items()}}
        return found | {key: self.config[facts][name][key] for facts, key in SET_FACTS
                        if key in self.config.get(facts, {}).get(name, {})}

    def parallel(self, name: str) -> int | None:
        """How many rows apart an evaluation set's rows are translations of each other; None where they are not."""
        return self.config.get("sets", {}).get(name, {}).get("parallel")

    @property
    def dropped(self) -> int:
        """How many test rows are left out because they are trained on."""
        return (self.rows_of(self.sets[0]) or {}).get("dropped", 0)

    def out_of_domain(self, name: str) -> bool:
        """Whether an evaluation set is; older records do not say it: all are but the task's test rows."""
        return bool(self.config.get("sets", {}).get(name, {}).get("out_of_domain", name != self.sets[0]))


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
            why = "is no folder" if folder.exists() else "no such folder"
            raise UserError(f"{folder}: {why}; give a run's folder, or one that holds some")
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
    for name, kind in OF_FLAGS.items():
        take(flags, name, kind, folder / "config.json")
    config["flags"] = recorded_flags(flags)
    for key in ("shards", *(("shard_labels",) if "shard_labels" in config else ())):
        for shard in take(config, key, list, folder / "config.json"):
            if not isinstance(shard, dict) or not all(is_number(rows) for rows in shard.values()):
                raise UserError(f"{folder / 'config.json'}: {key} must hold numbers of rows, client by client")
    check_set_names(config, folder / "config.json")
    if config.get("pretraining") is not None:
        check_pretraining(config["pretraining"], f"{folder / 'config.json'}: pretraining")
    finished = (folder / "summary.json").exists()
    rounds, broken_off = read_rounds(folder / "rounds.jsonl", finished)
    if not finished:
        last = rounds[-1]["round"] if rounds else None
        state = "no round recorded" if last is None else f"last round recorded: {last}"
        asked = f" of {flags['n_iterations']}" if last is not None and "n_iterations" in flags else ""
        return UnfinishedRun(folder, config, state + asked + (", the next one broken off" if broken_off else ""))
    summary = read_object(folder / "summary.json")
    for name, kind in OF_SUMMARY.items():
        take(summary, name, kind, folder / "summary.json")
    for name in take(summary, "majority_of", dict, folder / "summary.json") if "majority_of" in summary else ():
        take(summary["majority_of"], name, dict, folder / "summary.json")
    run = FinishedRun(folder, config, rounds, summary)
    for name in run.sets:
        check_evaluations(run, name)
    return run


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
        if "step" in record and take(record, "step", dict, where).get("ratio") is not None:
            take(record["step"], "ratio", NUMBER, where)
        if "diagnosis" in record:
            check_diagnosis(take(record, "diagnosis", dict, where), f"{where}: diagnosis")
        if "failed" in record and not all(isinstance(failure, str) for failure in take(record, "failed", list, where)):
            raise UserError(f"{where}: failed must hold texts")
        if "seconds" in record:
            for phase in take(record, "seconds", dict, where):
                take(record["seconds"], phase, NUMBER, where)
        rounds.append(record)
    return rounds, bool(rest)


def check_diagnosis(diagnosis: dict, where: str) -> None:
    """Raise UserError unless a round's diagnosis has what `--diagnose` records, each value a number or null."""
    check_numbers([diagnosis.get("jensen_gap")], f"{where}: jensen_gap")
    check_numbers(take(diagnosis, "norms", list, where), f"{where}: norms")
    for row in take(diagnosis, "cosines", list, where):
        check_numbers(row, f"{where}: cosines")
    pairs = take(diagnosis, "barriers", list, where)
    check_numbers([pair.get("value") if isinstance(pair, dict) else pair for pair in pairs], f"{where}: barriers")
    if not all(isinstance(pair, dict) for pair in pairs):
        raise UserError(f"{where}: barriers must hold objects")


def check_set_names(config: dict, where: Path) -> None:
    """Raise UserError unless the evaluation sets, where config.json names them, are different texts with objects."""
    if "evaluation_sets" in config:
        names = take(config, "evaluation_sets", list, where)
        if not names or not all(isinstance(name, str) for name in names) or len({*names}) < len(names):
            raise UserError(f"{where}: evaluation_sets must hold different names")
    for key in ("sets", "ood", "overlap"):
        for name in take(config, key, dict, where) if key in config else ():
            facts = take(config[key], name, dict, where)
            if facts.get("parallel") is not None and take(facts, "parallel", int, where) < 1:
                raise UserError(f"{where}: 'parallel' must be a number of rows")


def check_evaluations(run: FinishedRun, name: str) -> None:
    """Raise UserError unless a run's results on an evaluation set are whole, in the summary and in each round."""
    path, first = run.folder / "summary.json", name == run.sets[0]
    last = take(run.summary, name, dict, path)
    take(last, "loss", NUMBER, path)
    about = "" if first else f": {name}"  # what a further set's message has after the file
    check_result(last, f"{path}{about}", "" if first else run.metric)
    metric, domains = run.metric, last["domains"]
    if (majority := run.majority(name)) is not None:
        check_result(majority, f"{path}{about}", metric, domains)
    for line, record in enumerate(run.rounds, start=1):
        if name in record:
            where = f"{run.folder / 'rounds.jsonl'} line {line}"
            check_result(take(record, name, dict, where), f"{where}{about}", metric, domains)


def check_result(result: dict, where: Path | str, metric: str = "", domains: dict | None = None) -> None:
    """Raise UserError unless `result` has a metric, the same ones for each domain (and those that are named)."""
    parts = take(result, "domains", dict, where)
    names = [metric] if metric else metric_names(result)
    if not names or not parts or not all(isinstance(part, dict) for part in parts.values()):
        raise UserError(f"{where}: holds no metric or no domain")
    if domains is not None and parts.keys() != domains.keys():
        raise UserError(f"{where}: has other domains than the summary's result")
    pooled = [take(result, "pooled", dict, where)] if "pooled" in result else []
    for part in (result, *pooled, *parts.values()):
        for name in names:
            take(part, name, NUMBER, where)
