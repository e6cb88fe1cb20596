"""Start-up: seconds from a process's start to its first training step, and where each of them goes.

    python -m benchmarks.startup

A run of MiniLM on a few rows, its token cache warm. A first run is not counted: it warms the disk's cache, as any
earlier command does. The phases are those that the run itself records in `rounds.jsonl`, round 0.
"""

import argparse
import statistics
import sys
from pathlib import Path

from benchmarks.common import ROOT, Figure, parser, recorded_rounds, report, timed_lines
from benchmarks.rows import open_rows, toy_flags, workspace

LIMIT = 12


def measure(options: argparse.Namespace, folder: Path) -> tuple[float, dict[str, float]]:
    """Return the median seconds to the first training step, and the run's own phases up to then."""
    flags = toy_flags(folder) if options.small else ["--data", "sentiment", "--data_dir", ROOT / "data", "--test", 8]
    flags += ["--n_iterations", 1]
    runs = []
    for number in range(options.repetitions + (not options.small)):
        open_rows(flags)
        record = folder / f"run-{number}"
        outcome = timed_lines([sys.executable, "main_lm.py", *flags, "--run_dir", record])
        first, last = recorded_rounds(record)
        training = outcome.at("round=1") - sum(last["seconds"].values())
        runs.append((training, first["seconds"]))
    median = statistics.median_low(seconds for seconds, _ in runs[-options.repetitions:])
    return next(run for run in runs[-options.repetitions:] if run[0] == median)


def main() -> None:
    """Measure and report."""
    flags = parser(__doc__)
    flags.add_argument("--repetitions", type=int, default=3)
    options = flags.parse_args()
    with workspace() as folder:
        seconds, phases = measure(options, Path(folder))
    figures = [Figure.at_most("start-up: process start to first training step", seconds, "s", LIMIT)]
    figures += [Figure(f"start-up: {phase}", value, "s") for phase, value in phases.items()]
    report("startup", figures, options)


if __name__ == "__main__":
    main()
