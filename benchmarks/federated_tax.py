"""What federation costs: a run's seconds between its evaluations over those of a bare PyTorch loop.

    python -m benchmarks.federated_tax                       RTE's whole shards: 3 × 830 rows
    python -m benchmarks.federated_tax --rows 100            a shorter look

`main_lm.py` with one worker, and benchmarks/bare_loop.py, in turn, each as a process of its own: the same steps on the
same batches with the same threads. What stands between the first and the last evaluation of a run is the training of
the round and the last evaluation itself, so the bare loop evaluates too; the messages, the mean and the
checkpoint are the run's alone. That the steps are the same is checked: the clients' training losses must agree.
"""

import argparse
import math
import statistics
import sys
from pathlib import Path

from benchmarks.common import ROOT, Figure, Outcome, parser, recorded_rounds, report, timed_lines
from benchmarks.rows import open_rows, toy_flags, workspace

LIMIT = 1.05
SAME_LOSS = 0.01  # relative: the same steps in another order of summation


def seconds_between(outcome: Outcome) -> float:
    """Return the seconds between a run's first and last evaluation."""
    return outcome.at("round=1") - outcome.at("round=0")


def check_same_steps(run: Path, bare: Outcome) -> None:
    """Raise RuntimeError unless each client's mean training loss is the same in the run's record and the bare loop."""
    for client in recorded_rounds(run)[-1]["clients"]:
        loss = bare.value(f"client={client['client']}", "loss")
        if not math.isclose(loss, client["loss"], rel_tol=SAME_LOSS):
            raise RuntimeError(f"client {client['client']}: training loss {client['loss']:.4f} in the run and "
                               f"{loss:.4f} in the bare loop: these were not the same steps")


def measure(options: argparse.Namespace, folder: Path) -> tuple[float, float]:
    """Return the median seconds of the run and of the bare loop."""
    if options.small:
        flags = [*toy_flags(folder), "--max_length", 32]
    else:
        flags = ["--data", "rte", "--data_dir", ROOT / "data", "--model", "minilm", "--test", options.rows]
    flags += ["--n_iterations", 1, "--n_workers", 1, "--n_cpu", options.threads, "--lr", 1e-4, "--seed", 1]
    seconds = []
    for number in range(options.repetitions):
        open_rows(flags, options.source)
        record = folder / f"run-{number}"
        run = timed_lines([sys.executable, "main_lm.py", *flags, "--run_dir", record])
        bare = timed_lines([sys.executable, "-m", "benchmarks.bare_loop", *flags])
        seconds.append((seconds_between(run), seconds_between(bare)))
        check_same_steps(record, bare)
        print("run {:.2f} s, bare loop {:.2f} s".format(*seconds[-1]), file=sys.stderr, flush=True)
    return tuple(map(statistics.median, zip(*seconds)))


def main() -> None:
    """Measure and report."""
    flags = parser(__doc__)
    flags.add_argument("--rows", type=int, default=0, help="rows of each shard, and of each test domain (0: all)")
    flags.add_argument("--repetitions", type=int, default=1, help="runs of each, in turn; medians are compared")
    flags.add_argument("--threads", type=int, default=1, help="threads of the arithmetic, of both")
    flags.add_argument("--source", default="", help="where a missing table is made from: the official files, or hub")
    options = flags.parse_args()
    with workspace() as folder:
        run, bare = measure(options, Path(folder))
    rows = "toy rows" if options.small else f"{options.rows or 'all'} rows of each shard of RTE"
    title = f"first to last evaluation, {rows}, one worker"
    report("federated_tax", [Figure(f"{title}: main_lm.py", run, "s"), Figure(f"{title}: bare PyTorch loop", bare, "s"),
                             Figure.at_most(f"{title}: federated over bare", run / bare, "×", LIMIT)], options)


if __name__ == "__main__":
    main()
