"""Runs, read from their records and sorted into what can be compared."""

import os
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

from reports.intervals import LEVEL
from reports.pretrained import differing, identity
from reports.rule import Rule, read_rule
from reports.runs import INCIDENTAL, FinishedRun, UnfinishedRun, read_run, run_folders
from reports.tuning import Choice, chosen_values
from utils.errors import UserError

#: flags that decide on which rows, and in what form, a run is tested
TESTED_ON = ("data", "test", "test_split", "max_length")
#: flags that no value can be chosen of on held-out rows: they change what is evaluated, or nothing of the training
NOT_TUNED = {*INCIDENTAL, *TESTED_ON, "model", "random_init", "layers", "val_ratio", "hold_out_domain", "ood_data",
             "overlap"}


@dataclass(frozen=True)
class Comparison:
    """Runs of one model evaluated on the same rows: `methods[name]` are a method's runs, by seed.

    Its scores are the last round's on the evaluation set `evaluated`, which is the task's test rows but where
    `on_each_set` has made it another.
    """

    title: str
    task: str
    model: str
    evaluated: str
    methods: dict[str, list[FinishedRun]]
    apart: dict[str, object] = field(default_factory=dict)  #: {flag: value} that sets it apart from other comparisons
    choices: list[Choice] = field(default_factory=list)  #: which values of tuned flags the methods' runs have
    rule: Rule | None = None  #: by which seeds were added until the headline was decided

    @property
    def alpha(self) -> float:
        """The chance of calling a gain decided that is none."""
        return self.rule.alpha if self.rule else 1 - LEVEL

    @property
    def first(self) -> FinishedRun:
        """The first run of the first method, for what all runs share."""
        return next(iter(self.methods.values()))[0]

    @property
    def metric(self) -> str:
        """The headline metric."""
        return self.first.metric

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.first.summary[self.evaluated]["domains"])

    @property
    def on_first_set(self) -> bool:
        """Whether the scores are those on the runs' first evaluation set."""
        return self.evaluated == self.first.sets[0]

    def score(self, run: FinishedRun, domain: str | None = None) -> float:
        """Return a run's headline metric in one domain, or the macro average."""
        return self.in_domain(run.summary[self.evaluated], domain)

    def pooled(self, run: FinishedRun) -> float | None:
        """Return a run's headline metric over all rows at once; None for an older run, which has it not recorded."""
        found = run.summary[self.evaluated].get("pooled")
        return None if found is None else found[self.metric]

    def majority(self, domain: str | None = None) -> float | None:
        """Return the score of the commonest training label, the mean over the first method's runs; None without one.

        Held-out rows, and so this score, differ from seed to seed; test rows do not.
        """
        results = [run.majority(self.evaluated) for run in next(iter(self.methods.values()))]
        found = [self.in_domain(result, domain) for result in results if result is not None]
        return statistics.mean(found) if len(found) == len(results) else None

    def in_domain(self, result: dict, domain: str | None) -> float:
        """Return the headline metric of an evaluation in one domain, or the macro average."""
        return (result if domain is None else result["domains"][domain])[self.metric]

    def reasons_against(self) -> dict[str, str]:
        """Return {name: why the runs cannot be compared on it, "" if they can} of any run's further sets.

        They can where all runs have it with the same domains, and those of one seed with the same rows: held-out rows,
        and evaluation rows that are left out because they are trained on, may be others with each seed.
        """
        runs = [run for some in self.methods.values() for run in some]
        names = dict.fromkeys(name for run in runs for name in run.sets[1:])
        return {name: other_rows(name, runs) for name in names}

    def on_each_set(self) -> list["Comparison"]:
        """Return this comparison, then the same runs' on each further evaluation set that they can be compared on."""
        return [self, *(replace(self, title=f"{self.title}, evaluated on {name}", evaluated=name)
                        for name, why in self.reasons_against().items() if not why)]


def other_rows(name: str, runs: Sequence[FinishedRun]) -> str:
    """Say which runs lack the evaluation set `name`, or have other rows of it than one of their seed, and why; or "".

    Rows are the same if all is that both runs have on record of them.
    """
    lacking = [run for run in runs if name not in run.sets]
    if lacking:
        return f"{lacking[0].called} {'has' if len(lacking) == 1 else f'and {len(lacking) - 1} more have'} no such set"
    of_seed = {run.seed: run for run in reversed(runs)}
    for run in runs:
        for other in (of_seed[run.seed], runs[0]):
            mine, others = run.rows_of(name) or {}, other.rows_of(name) or {}
            if mine["rows"].keys() != others["rows"].keys():
                return f"{run.called} has other domains of it than {other.called}"
            if run.seed == other.seed and any(mine[key] != others[key] for key in mine.keys() & others.keys()):
                overlap = run.flag("overlap"), other.flag("overlap")
                why = f": --overlap {overlap[0]} and {overlap[1]}" if len({*overlap}) > 1 else ""
                return f"{run.called} has other rows of it than {other.called}{why}"
    return ""


@dataclass(frozen=True)
class Records:
    """All that was found below some folders."""

    comparisons: list[Comparison]
    unfinished: list[UnfinishedRun]
    not_looked_at: list[FinishedRun] = field(default_factory=list)  #: by the rule of their study


def read_records(folders: list[Path], tuned: Sequence[str] = ()) -> Records:
    """Return the runs in or below `folders`, the finished ones grouped by model (and its commit) and test rows.

    Where a method's runs differ in more than their seed, in the learning rate say, each setting is a comparison of
    its own; but of the flags `tuned`, one value of each method is chosen by held-out rows, and its runs alone compared.
    Raises UserError when there is no finished run, when a record is missing, broken off or malformed (naming
    file and line), when two runs are of one method, setting and seed, and when there is nothing to choose values by.
    """
    groups: dict[tuple, list[FinishedRun]] = defaultdict(list)
    finished, unfinished, later = [], [], []
    for folder in run_folders(folders):
        run = read_run(folder)
        if isinstance(run, UnfinishedRun):
            unfinished.append(run)
            continue
        if (rule := read_rule(folder.parent)) and run.seed not in rule.seeds:
            later.append(run)
            continue
        finished.append(run)
    apart = differing([run.pretraining for run in finished if run.pretraining])
    of_seeds = folders_of_seeds([run for run in finished if not run.pretraining])  # those have names of their own
    for run in (replace(run, apart=apart, of_seeds=of_seeds.get(run.summary["model"], "")) for run in finished):
        tested_on = tuple(run.config["flags"][name] for name in TESTED_ON)
        asked = identity(run.pretraining) if run.pretraining else ""
        model = run.model, asked, str(run.config.get("model_commit", "")), run.flag("random_init")
        test = run.sets[0], tuple(run.summary[run.sets[0]]["domains"])
        groups[model, run.config["data_fingerprint"], (*test, run.dropped), tested_on].append(run)
    if not groups:
        stopped = f" ({len(unfinished)} without summary.json: failed, stopped or still running)" if unfinished else ""
        raise UserError(f"no finished run in {', '.join(map(str, folders))}{stopped}")
    check_tuned(tuned, {name for runs in groups.values() for run in runs for name in run.config["flags"]})
    names = [name for name in varied(groups.values()) if name not in tuned]
    compared = [comparison(some, apart, tuned) for runs in groups.values() for apart, some in by_flags(runs, names)]
    return Records(with_titles(compared), unfinished, later)


def folders_of_seeds(runs: Sequence[FinishedRun]) -> dict[str, str]:
    """Return {model's folder: itself with `seed{seed}` for a part as `seed3`} where each seed has its own there."""
    of_seeds, shared = {}, set()
    for run in runs:
        folder = run.summary["model"]
        of_seeds[folder] = re.sub(r"(?<![^/])seed\d+(?=/)", "seed{seed}", folder)
        if of_seeds[folder].replace("{seed}", str(run.seed)) != folder:
            shared.add(of_seeds[folder])
    return {folder: name for folder, name in of_seeds.items() if name != folder and name not in shared}


def check_tuned(tuned: Sequence[str], known: set[str]) -> None:
    """Raise UserError unless the flags whose values are to be chosen are known, and about how models are trained."""
    for name in tuned:
        if name not in known:
            raise UserError(f"--tuned {name}: no such flag in these runs")
        if name in NOT_TUNED:
            raise UserError(f"--tuned {name}: must be a flag of training that leaves the evaluated rows as they are, "
                            "such as lr")


def varied(groups: Iterable[list[FinishedRun]]) -> list[str]:
    """Return the flags, other than the seed, in which two runs of one method of any group differ."""
    found = set()
    for runs in groups:
        names = {name for run in runs for name in run.config["flags"]} - INCIDENTAL
        for run, other in combinations(runs, 2):
            if run.method == other.method:
                found |= {name for name in names if run.flag(name) != other.flag(name)}
    return sorted(found)


def by_flags(runs: list[FinishedRun], names: list[str]) -> list[tuple[dict[str, object], list[FinishedRun]]]:
    """Sort runs by their values of the flags `names`: ({flag: value}, its runs)."""
    groups: dict[tuple, list[FinishedRun]] = defaultdict(list)
    for run in runs:
        groups[tuple(map(run.flag, names))].append(run)
    return [(dict(zip(names, values)), some) for values, some in groups.items()]


def comparison(runs: list[FinishedRun], apart: dict[str, object], tuned: Sequence[str]) -> Comparison:
    """Sort runs of one model and test rows, set `apart` by these flags, by method; raises UserError as read_records."""
    choices = chosen_values(runs, tuned) if tuned else []
    runs = [run for choice in choices for run in choice.runs] if tuned else runs
    methods: dict[str, list[FinishedRun]] = defaultdict(list)
    for run in runs:
        for other in methods[run.method]:
            if run.seed == other.seed:
                raise UserError(f"{other.folder} and {run.folder} are both {run.method} with --seed {run.seed}: "
                                "give one of them")
        methods[run.method].append(run)
    first = runs[0].summary
    words = [first["data"], model_title(runs[0]), *settings(runs[0], apart)]
    first_names = ("centralized", "only", "iid", "noniid")
    in_order = sorted(methods, key=lambda name: (*(not name.startswith(word) for word in first_names), name))
    return Comparison(", ".join(words), first["data"], model_name(runs[0]), runs[0].sets[0],
                      {name: sorted(methods[name], key=lambda run: run.seed) for name in in_order}, apart,
                      sorted(choices, key=lambda choice: in_order.index(choice.method)), strictest(runs))


def strictest(runs: Sequence[FinishedRun]) -> Rule | None:
    """Return the rule of the runs' study; of several the one that leaves the last look the least, None without any."""
    rules = filter(None, (read_rule(folder) for folder in {run.folder.parent for run in runs}))
    return min(rules, key=lambda rule: rule.alpha, default=None)


def called(model: str, layers: int) -> str:
    """Return a recorded model as titles have it: without -layersN in its name, and with that in words, if it is cut."""
    whole = "".join(model.rsplit(f"-layers{layers}", 1))
    return f"{whole}, first {layers} layer{'s' * (layers > 1)}" if layers else model


def model_name(run: FinishedRun) -> str:
    """Return the name of a run's model: of an absolute path, or one that has the seed in it, its last folder."""
    return Path(run.model).name if os.path.isabs(run.model) or run.of_seeds else run.model


def model_title(run: FinishedRun) -> str:
    """Return the name of a run's model as titles have it, with what of its layers and weights the run starts from."""
    layers = int(run.config["flags"]["layers"])
    return called(model_name(run), layers) + ", random weights" * bool(run.flag("random_init"))


def settings(run: FinishedRun, apart: dict[str, object]) -> list[str]:
    """Return in words which rows a run is tested on, and the flags that set its comparison apart."""
    flags = run.config["flags"]
    words = [f"{flags['test']} rows per domain"] if flags["test"] else []
    words += [flags["test_split"]] if flags["test_split"] else []
    words += [f"without {run.dropped} rows that are trained on"] if run.dropped else []
    return words + [f"{name} {value}" for name, value in apart.items()]


def with_titles(compared: list[Comparison]) -> list[Comparison]:
    """Return the comparisons in the order of their titles; those that would share one get more words in it."""
    def longer(one: Comparison) -> Comparison:
        run = one.first
        domains = one.domains[0] if len(one.domains) == 1 else f"{len(one.domains)} domains, {one.domains[0]} …"
        words = (run.summary["model"], str(run.config.get("model_commit", ""))[:7],
                 f"{run.config['flags']['max_length']} tokens, data {run.config['data_fingerprint'][:8]}, {domains}")
        return replace(one, title=f"{one.title} ({', '.join(filter(None, words))})")

    taken = Counter(one.title for one in compared)
    return sorted((longer(one) if taken[one.title] > 1 else one for one in compared), key=lambda one: one.title)
