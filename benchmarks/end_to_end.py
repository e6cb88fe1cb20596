"""End to end against stock Flower: seconds from process start to the last evaluation, on the same rows.

    python -m benchmarks.end_to_end                          RTE and CoLA, one seed: the seconds
    python -m benchmarks.end_to_end --seeds 1 2 3            and whether both reach the same accuracy

Three clients × 200 rows, one local epoch, two rounds, batches of 16: `main_lm.py` and benchmarks/stock_flower.py
in turn, each as a process of its own with the whole machine. Stock Flower gets this run's very shards and test
rows as Parquet files. `main_lm.py` finds its token cache warm, as any run of a sweep but the first does; stock
Flower tokenises in each client, a fraction of a second.
"""

import argparse
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import ROOT, Figure, Outcome, parser, report, timed_lines
from benchmarks.rows import export_shards, open_rows, toy_flags, workspace
from utils.data.dataset import TaskData
from utils.model import loading

TARGETS = {"rte": 6, "cola": 4}  # at least so many times faster
METRIC_NAMES = {"rte": "accuracy", "cola": "Matthews correlation"}


@dataclass(frozen=True)
class Result:
    """One run: seconds from its process's start to its last evaluation, and the headline metric there."""

    seconds: float
    score: float


def result(outcome: Outcome, data: TaskData) -> Result:
    """Return what a run's last evaluation says."""
    last = f"round={data.config.n_iterations}"
    return Result(outcome.at(last), outcome.value(last, data.table.spec.metrics[0]))


def stock_command(data: TaskData, shards: Path) -> list:
    """Return the command that does `data`'s run with stock Flower on the exported `shards`."""
    config, spec = data.config, data.table.spec
    return [sys.executable, "-m", "benchmarks.stock_flower", "--shards", shards,
            "--model", loading.resolve(config.model), "--n_labels", len(spec.labels), "--metric", spec.metrics[0],
            "--rounds", config.n_iterations, "--epochs", config.epoch, "--batch_size", config.batch_size,
            "--lr", config.lr, "--max_length", config.max_length, "--seed", config.seed]


def run_pair(task: str, seed: int, options: argparse.Namespace, folder: Path) -> tuple[Result, Result]:
    """Run this program, then stock Flower; return both results."""
    if options.small:
        flags = [*toy_flags(folder), "--n_iterations", 1, "--max_length", 32]
    else:
        flags = ["--data", task, "--data_dir", ROOT / "data", "--model", "minilm", "--test", 200, "--n_iterations", 2]
    flags += ["--batch_size", 16, "--epoch", 1, "--lr", options.lr, "--seed", seed]
    data = open_rows(flags, options.source)
    place = folder / f"{task}-{seed}"
    shards = export_shards(data, place / "shards")
    ours = result(timed_lines([sys.executable, "main_lm.py", *flags, "--run_dir", place / "run"]), data)
    stock = result(timed_lines(stock_command(data, shards)), data)
    print(f"{task}, seed {seed}: {ours}, stock Flower's {stock}", file=sys.stderr, flush=True)
    return ours, stock


def task_figures(task: str, ours: list[Result], stock: list[Result]) -> list[Figure]:
    """Return a task's rows of the table; `ours[i]` and `stock[i]` are of the same seed."""
    seconds = {name: statistics.mean(run.seconds for run in runs) for name, runs in (("ours", ours), ("stock", stock))}
    title = f"{task}: process start to last evaluation"
    figures = [Figure(f"{title}, stock Flower", seconds["stock"], "s"),
               Figure(f"{title}, main_lm.py", seconds["ours"], "s"),
               Figure.at_least(f"{title}, times faster", seconds["stock"] / seconds["ours"], "×", TARGETS[task])]
    scores = [[100 * run.score for run in runs] for runs in (ours, stock)]
    means = [statistics.mean(values) for values in scores]
    if len(ours) == 1:
        scored, target, agree = "{:.1f} against {:.1f}, one seed".format(*means), "", None
    else:
        spreads = [statistics.stdev(values) for values in scores]
        scored = f"{means[0]:.1f} ± {spreads[0]:.1f} against {means[1]:.1f} ± {spreads[1]:.1f}, {len(ours)} seeds"
        target, agree = "the two mean ± std overlap", abs(means[0] - means[1]) <= sum(spreads)
    return [*figures, Figure(f"{task}: {METRIC_NAMES[task]} less stock Flower's ({scored})", means[0] - means[1],
                             "points", target, agree)]


def main() -> None:
    """Run all pairs and report."""
    flags = parser(__doc__)
    flags.add_argument("--tasks", nargs="+", choices=tuple(TARGETS), default=list(TARGETS))
    flags.add_argument("--seeds", nargs="+", type=int, default=[1])
    flags.add_argument("--lr", type=float, default=1e-4)
    flags.add_argument("--source", default="", help="where a missing table is made from: the official files, or hub")
    options = flags.parse_args()
    figures = []
    with workspace() as folder:
        for task in ["rte"] if options.small else options.tasks:
            pairs = [run_pair(task, seed, options, Path(folder)) for seed in options.seeds]
            ours, stock = map(list, zip(*pairs))
            figures += task_figures(task, ours, stock)
    report("end_to_end", figures, options)


if __name__ == "__main__":
    main()
