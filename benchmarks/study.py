"""A study's seconds against stock Flower's, and against those of its matrix products alone.

    python -m benchmarks.study

{RTE, CoLA} × {centralized, IID, non-IID} × 2 seeds, as benchmarks/end_to_end.py runs one: 200 rows for each of three
clients, two rounds. `sweeps/run.py` does the twelve runs; its seconds are those from its start to the last result.
Stock Flower is measured on three of them, RTE IID, CoLA IID and RTE centralized, each a process of its own with the
whole machine (the one client of a centralized run has a thread for each core), and scaled: non-IID shards are as large
as IID ones, and CoLA centralized is taken to be to CoLA IID what RTE centralized is to RTE IID.

The floor: the operations of the products in all twelve runs, over the rate at which all cores make such products in the
runs' precision and by their library, and one start of a run. Runs that begin alike share the evaluation of round 0.
"""

import sys
from pathlib import Path

import torch

from benchmarks.common import ROOT, Figure, Outcome, parser, report, timed_lines
from benchmarks.end_to_end import stock_command
from benchmarks.products import forward_operations, operations_per_second
from benchmarks.rows import export_shards, open_rows, toy_flags, workspace
from sweeps.study import read_study
from utils.data.dataset import TaskData
from utils.machine import onednn
from utils.machine.workers import usable_cores
from utils.model import loading
from utils.record.runlog import read_json

TARGET, FLOOR_TARGET = 6, 1.6
SEEDS = (1, 2)
RUNS_LIKE = {("rte", "iid"): 4, ("rte", "centralized"): 2, ("cola", "iid"): 4}  # of stock's, in the study

STUDY = """
[common]
{common}
[grid]
data = {tasks}
seed = {seeds}
[methods.centralized]
centralized = true
[methods.iid]
lang_mix = 0.99
[methods.noniid]
lang_mix = 0.0
"""


def written(folder: Path, tasks: list[str], flags: list) -> Path:
    """Write the study of `tasks` whose runs all have `flags`; return its file."""
    common = "\n".join(f"{flag.removeprefix('--')} = {str(value)!r}" for flag, value in zip(flags[::2], flags[1::2]))
    path = folder / "study.toml"
    path.write_text(STUDY.format(common=common, tasks=tasks, seeds=list(SEEDS)))
    return path


def product_seconds(runs: list[TaskData], flags: dict, cores: int) -> float:
    """Return the seconds of all products of `runs`: training in their precision, and evaluation in float32.

    `flags`: those that they recorded.
    """
    operations, evaluated = {"train": 0.0, "evaluate": 0.0}, set[tuple[str, int]]()
    for data in runs:
        config = data.config
        model, _ = loading.load(loading.Wanted.by(config), data.table.spec)
        rows = sum(forward_operations(model.config, data.tokens["train"].lengths[shard]) for shard in data.plan.shards)
        tested = sum(forward_operations(model.config, data.tokens[part.split].lengths[part.rows])
                     for part in data.evaluation_sets)
        operations["train"] += 3 * rows * config.epoch * config.n_iterations
        begins_anew = (config.data, config.seed) not in evaluated
        operations["evaluate"] += tested * (begins_anew + config.n_iterations)
        evaluated.add((config.data, config.seed))
    fp32 = operations_per_second(model.config, torch.float32, cores,
                                 onednn.product if flags["fp32_products"] == "onednn" else torch.nn.functional.linear)
    train = operations_per_second(model.config, torch.bfloat16, cores) if flags["precision"] == "bf16" else fp32
    return operations["train"] / train + operations["evaluate"] / fp32


def main() -> None:
    """Measure and report."""
    flags_of = parser(__doc__)
    flags_of.add_argument("--source", default="", help="where a missing table is made from: the official files, or hub")
    options = flags_of.parse_args()
    tasks = ["rte"] if options.small else ["rte", "cola"]
    with workspace() as place:
        folder = Path(place)
        flags = ["--data_dir", ROOT / "data", "--model", "minilm", "--test", 200, "--max_length", 128]
        if options.small:
            flags = [*toy_flags(folder)[2:], "--max_length", 32]
        flags += ["--n_iterations", 1 if options.small else 2, "--batch_size", 16, "--epoch", 1, "--lr", 1e-4]
        study = written(folder, tasks, flags)
        planned = read_study(study, folder / "study", [], tasks)
        runs = {run.name: open_rows(list(run.words), options.source) for run in planned.runs()}
        start = timed_lines([sys.executable, "main_lm.py", *flags, "--data", "rte", "--test", 1, "--n_iterations", 1,
                             "--run_dir", folder / "start"]).at("round=0")
        ours = timed_lines([sys.executable, "sweeps/run.py", study, "--out", folder / "study",
                            "--results"])
        stock = {}
        for task, method in RUNS_LIKE:
            if task in tasks:
                data = runs[f"{method}-{task}-seed{SEEDS[0]}"]
                command = stock_command(data, export_shards(data, folder / f"{task}-{method}"))
                outcome = timed_lines(command + ["--threads", usable_cores()] * (method == "centralized"))
                stock[task, method] = outcome.at(f"round={data.config.n_iterations}")
        recorded = read_json(folder / "study" / f"iid-rte-seed{SEEDS[0]}" / "config.json")["flags"]
        floor = product_seconds(list(runs.values()), recorded, usable_cores())
    report("study", figures(ours, stock, start, floor), options)


def figures(ours: Outcome, stock: dict[tuple[str, str], float], start: float, products: float) -> list[Figure]:
    """Return the table: all in seconds; `stock` are the runs that were measured."""
    seconds = ours.at("summary")
    scaled = sum(stock[run] * number for run, number in RUNS_LIKE.items() if run in stock)
    if ("cola", "iid") in stock:
        scaled += len(SEEDS) * stock["cola", "iid"] * stock["rte", "centralized"] / stock["rte", "iid"]
    return [*(Figure(f"study: {task} {method} as stock Flower", value, "s") for (task, method), value in stock.items()),
            Figure("study: its runs as stock Flower, scaled from these", scaled, "s"),
            Figure("study: sweeps/run.py, process start to last result", seconds, "s"),
            Figure.at_least("study: times faster", scaled / seconds, "×", TARGET),
            Figure("study: floor, products of all runs", products, "s"),
            Figure("study: floor, one start", start, "s"),
            Figure.at_most("study: over its floor", seconds / (products + start), "×", FLOOR_TARGET)]


if __name__ == "__main__":
    main()
