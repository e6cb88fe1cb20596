"""Many clients: what the engine costs per client and round, and the driver's memory, from 10 to 1,000 clients.

    python -m benchmarks.many_clients                        the figures, and docs/many_clients.png

A tiny random BERT on sentiment sentences, 16 rows per client, so that training is milliseconds. The engine's cost is
the seconds of a round's training phase per client, less the seconds that the clients themselves report, shared by
the workers that run them at once. The first round is not counted: it touches all memory for the first time.
"""

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import ROOT, Figure, parser, recorded_rounds, report, timed_lines
from benchmarks.rows import open_rows, workspace
from utils.record.runlog import read_json

LIMIT = 15  # milliseconds
DOMAINS = 4


@dataclass(frozen=True)
class Point:
    """A run of `clients`: milliseconds per client and round, in all and of the engine alone; driver's peak in MB."""

    clients: int
    each: float
    engine: float
    peak: float


def measure(clients: int, options: argparse.Namespace, folder: Path) -> Point:
    """Run three rounds of `clients` clients."""
    from tests.tiny import tiny_once

    flags = ["--data", "sentiment", "--data_dir", ROOT / "data", "--model", tiny_once(folder, "bert"),
             "--max_length", 32, "--n_clients", clients, "--test", 16 * clients // DOMAINS, "--lang_mix", 1,
             "--n_iterations", 3, "--skip_evalnum", 3, "--precision", "fp32"]
    open_rows(flags)
    record = folder / f"run-{clients}"
    outcome = timed_lines([sys.executable, "main_lm.py", *flags, "--run_dir", record])
    outcome.line("summary")
    rounds, workers = recorded_rounds(record)[2:], read_json(record / "config.json")["workers"]
    each = statistics.mean(1000 * one["seconds"]["train"] / clients for one in rounds)
    inside = statistics.mean(1000 * client["seconds"] for one in rounds for client in one["clients"])
    return Point(clients, each, each - inside / workers, outcome.peak_bytes / 1e6)


def draw(points: list[Point], file: Path) -> None:
    """Draw cost and memory over the number of clients."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(7, 2.8), layout="constrained")
    cost, memory = canvas.subplots(1, 2)
    clients = [point.clients for point in points]
    cost.plot(clients, [point.each for point in points], "o-", color="#0072B2", label="all")
    cost.plot(clients, [point.engine for point in points], "s--", color="#D55E00", label="engine alone")
    memory.plot(clients, [point.peak for point in points], "o-", color="#0072B2")
    cost.legend(frameon=False)
    for axes, title in ((cost, "milliseconds per client and round"), (memory, "driver's peak memory, MB")):
        axes.set(xscale="log", xlabel="clients", title=title)
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
        axes.spines[["top", "right"]].set_visible(False)
    canvas.savefig(file, dpi=150)


def main() -> None:
    """Measure, draw and report."""
    flags = parser(__doc__)
    flags.add_argument("--clients", type=int, nargs="+", default=[10, 30, 100, 300, 1000])
    options = flags.parse_args()
    counts = [8] if options.small else options.clients
    with workspace() as folder:
        points = [measure(clients, options, Path(folder)) for clients in counts]
    draw(points, (options.out or Path(tempfile.gettempdir()) if options.small else ROOT / "docs") / "many_clients.png")
    figures = [Figure.at_most(f"{point.clients} clients: engine per client and round, beyond training", point.engine,
                              "ms", LIMIT) for point in points]
    figures += [Figure(f"{point.clients} clients: driver's peak memory", point.peak, "MB") for point in points]
    report("many_clients", figures, options)


if __name__ == "__main__":
    main()
