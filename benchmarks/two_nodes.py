"""Two nodes of a Ray cluster, one worker each, beside one node with two workers: what a round costs more.

    python -m benchmarks.two_nodes --turns 3

Both clusters are on this machine and are joined by --ray_address. The runs take turns, each on a cluster of its own;
the figures are medians over all turns of the rounds of each run's second half, which are the warm ones. By `message`
vectors go through Ray's object stores, as between machines, but over loopback; by `reference` through shared memory,
which the nodes have only here.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.common import ROOT, Figure, Outcome, parser, recorded_rounds, report, timed_lines
from benchmarks.data_plane import BASE, warm_rounds
from benchmarks.rows import toy_flags, workspace
from tests.ray_cluster import LOOPBACK, ray_cluster

MINILM = 22_713_986  # parameters of MiniLM with two labels
LIMIT = 1.10
WORKERS = 2


def idle(size: int, transport: str, rounds: int, address: str) -> list[float]:
    """Return the seconds of the warm rounds of a run without training."""
    return warm_rounds(joined(address, "-m", "benchmarks.no_training", "--size", size, "--clients", WORKERS,
                              "--transport", transport, "--rounds", rounds))


def trained(flags: list, folder: Path, rounds: int, address: str) -> list[float]:
    """Return the seconds, training and evaluation, of the warm rounds of a run of main_lm.py."""
    record = folder / f"run-{len(list(folder.glob('run-*')))}"
    joined(address, "main_lm.py", *flags, "--transport", "message", "--n_iterations", rounds, "--run_dir",
           record).line("summary")
    return [sum(one["seconds"][phase] for phase in ("train", "evaluate"))
            for one in recorded_rounds(record)[1 + rounds // 2:]]


def joined(address: str, *command: object) -> Outcome:
    """Return a Python program's run on the cluster at `address`."""
    return timed_lines([sys.executable, *command, "--ray_address", address], LOOPBACK)


def compare(what: str, rounds_of: Callable[[str], list[float]], turns: int) -> list[Figure]:
    """Return the figures of runs whose warm rounds on the cluster at an address take `rounds_of(address)` seconds."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(turns):
        for nodes in ((1, 2), (2, 1))[turn % 2]:
            with ray_cluster(nodes, WORKERS // nodes) as address:
                seconds[nodes] += rounds_of(address)
    one, two = (statistics.median(seconds[nodes]) for nodes in (1, 2))
    return [Figure(f"{what}: warm round, one node with two workers", one, "s"),
            Figure(f"{what}: the same, two nodes with one each", two, "s"),
            Figure.at_most(f"{what}: two nodes over one", two / one, "×", LIMIT)]


def measure(options: argparse.Namespace, folder: Path) -> list[Figure]:
    """Compare all of the jobs; with `--small` rounds of a toy, without training and with it."""
    if options.small:
        jobs = {"a toy, no training": partial(idle, 20_000, "message", 2),
                "a toy": partial(trained, toy_flags(folder), folder, 2)}
        return [figure for what, job in jobs.items() for figure in compare(what, job, 1)]
    rows = ["--data", "sentiment", "--data_dir", ROOT / "data", "--model", "minilm", "--n_clients", WORKERS,
            "--lang_mix", 1, "--test", 40, "--max_length", 64]
    jobs = {f"{name}, no training, by {transport}": partial(idle, size, transport, 6)
            for transport in ("message", "reference") for name, size in (("22 M", MINILM), ("110 M", BASE))}
    jobs["MiniLM, 2 clients × 80 rows, trained, by message"] = partial(trained, rows, folder, 6)
    return [figure for what, job in jobs.items() for figure in compare(what, job, options.turns)]


def main() -> None:
    """Measure and report."""
    flags = parser(__doc__)
    flags.add_argument("--turns", type=int, default=3)
    options = flags.parse_args()
    with workspace() as folder:
        report("two_nodes", measure(options, Path(folder)), options)


if __name__ == "__main__":
    main()
