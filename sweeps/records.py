"""Finished runs, read from their records and sorted into what can be compared."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from utils.errors import UserError
from utils.runlog import finished_runs, headline, read_json

#: flags that do not change what a method is: where it ran and wrote, and the seed that runs are averaged over
INCIDENTAL = {"seed", "run_dir", "data_dir", "source", "n_cpu", "n_gpus", "gpus_per_client", "n_workers", "transport",
              "skip_evalnum"}
#: flags that decide on which rows, and in what form, a run is tested
TESTED_ON = ("data", "test", "test_split", "max_length")


@dataclass(frozen=True)
class Run:
    """One run's record: its folder, config.json and summary.json."""

    folder: Path
    config: dict
    summary: dict

    @property
    def method(self) -> str:
        return self.config["method"]

    @property
    def seed(self) -> int:
        return self.config["flags"]["seed"]


@dataclass(frozen=True)
class Comparison:
    """Runs of one model tested on the same rows: `methods[name]` are a method's runs, of different seeds."""

    title: str
    metric: str
    domains: tuple[str, ...]
    methods: dict[str, list[Run]]


def read_comparisons(folders: list[Path]) -> list[Comparison]:
    """Return the finished runs in or below `folders`, grouped by model and test rows.

    Raises UserError when there is none, when two runs are of one method and seed, and when a method's runs
    differ in more than their seed.
    """
    groups: dict[tuple, list[Run]] = defaultdict(list)
    for folder in finished_runs(folders):
        run = Run(folder, read_json(folder / "config.json"), read_json(folder / "summary.json"))
        tested_on = tuple(run.config["flags"][name] for name in TESTED_ON)
        domains = tuple(run.summary["test"]["domains"])
        groups[run.summary["model"], run.config["data_fingerprint"], domains, tested_on].append(run)
    return [comparison(runs, domains) for (_, _, domains, _), runs in groups.items()]


def comparison(runs: list[Run], domains: tuple[str, ...]) -> Comparison:
    """Sort runs of one model and one set of test rows by method; raises UserError as read_comparisons does."""
    methods: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        for other in methods[run.method]:
            flags, others = run.config["flags"], other.config["flags"]  # an older record may lack a newer flag
            differing = sorted(name for name in flags.keys() | others.keys()
                               if name not in INCIDENTAL and flags.get(name) != others.get(name))
            if differing:
                raise UserError(f"{other.folder} and {run.folder} are both {run.method} but differ in "
                                f"--{', --'.join(differing)}: compare them apart")
            if run.seed == other.seed:
                raise UserError(f"{other.folder} and {run.folder} are both {run.method} with --seed {run.seed}: "
                                "give one of them")
        methods[run.method].append(run)
    first = runs[0].summary
    rows = f", {runs[0].config['flags']['test']} rows per domain" if runs[0].config["flags"]["test"] else ""
    return Comparison(f"{first['data']}, {first['model']}{rows}", headline(first), domains, dict(methods))
