"""Two nodes of a Ray cluster, one worker each, beside one node with two workers: what a round costs more.

    python -m benchmarks.two_nodes

Both clusters are on this machine and are joined by --ray_address. Of rounds without training the two take turns, round
by round; runs that train take turns as a whole, each on a cluster of its own. The figures are medians of the second
half of each run's rounds, which are the warm ones. By `message` vectors go through Ray's object stores, as between
machines, but over loopback; by `reference` through shared memory, which the nodes have only here.
"""

import argparse
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from benchmarks.common import ROOT, Figure, available, parser, recorded_rounds, report, timed_lines
from benchmarks.data_plane import BASE, MINILM
from benchmarks.rows import toy_flags, workspace
from tests.ray_cluster import LOOPBACK, ray_cluster
from utils.console import NOTES, notes_to_stderr

WORKERS = 2
LIMIT = 1.10
ROOM = 175  # bytes per parameter that two such runs at once take, by message


def figures(what: str, seconds: dict[int, list[float]]) -> list[Figure]:
    """Return the figures of warm rounds, where `seconds` has those of one node and of two."""
    one, two = (statistics.median(seconds[nodes]) for nodes in (1, 2))
    made = [Figure(f"{what}: warm round, one node with two workers", one, "s"),
            Figure(f"{what}: the same, two nodes with one each", two, "s"),
            Figure.at_most(f"{what}: two nodes over one", two / one, "×", LIMIT)]
    NOTES.info("%s: one node %s, two nodes %s", what, seconds[1], seconds[2])
    return made


def idle(size: int, transport: str, rounds: int) -> dict[int, list[float]]:
    """Return the seconds of the warm rounds of two runs without training, which take turns."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with ExitStack() as stack:
        runs = {}
        for nodes in seconds:
            address = stack.enter_context(ray_cluster(nodes, WORKERS // nodes))
            runs[nodes] = stack.enter_context(subprocess.Popen(
                list(map(str, (sys.executable, "-m", "benchmarks.no_training", "--size", size, "--clients", WORKERS,
                               "--transport", transport, "--rounds", rounds, "--paced", "--ray_address", address))),
                cwd=ROOT, text=True, env={**os.environ, **LOOPBACK}, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        for number in range(1, rounds + 1):
            for nodes, run in runs.items():
                assert run.stdin and run.stdout  # pipes
                print(file=run.stdin, flush=True)
                line = run.stdout.readline()
                if not line.startswith(f"round={number} "):
                    raise RuntimeError(f"the run on {nodes} node(s) ended in round {number}")
                seconds[nodes].append(float(line.split("seconds=")[1].split()[0]))
    return {nodes: each[rounds // 2:] for nodes, each in seconds.items()}


def trained(flags: list, folder: Path, rounds: int, turns: int) -> dict[int, list[float]]:
    """Return the seconds, training and evaluation, of the warm rounds of runs of main_lm.py by message."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(turns):
        for nodes in ((1, 2), (2, 1))[turn % 2]:
            record = folder / f"run-{turn}-{nodes}"
            with ray_cluster(nodes, WORKERS // nodes) as address:
                timed_lines([sys.executable, "main_lm.py", *flags, "--transport", "message", "--n_iterations", rounds,
                             "--run_dir", record, "--ray_address", address], LOOPBACK).line("summary")
            seconds[nodes] += [sum(one["seconds"][phase] for phase in ("train", "evaluate"))
                               for one in recorded_rounds(record)[1 + rounds // 2:]]
    return seconds


def measure(options: argparse.Namespace, folder: Path) -> list[Figure]:
    """Compare all of the jobs; with `--small` rounds of a toy, without training and with it."""
    if options.small:
        return [*figures("a toy, no training", idle(20_000, "message", 2)),
                *figures("a toy", trained(toy_flags(folder), folder, 2, 1))]
    rows = ["--data", "sentiment", "--data_dir", ROOT / "data", "--model", "minilm", "--n_clients", WORKERS,
            "--lang_mix", 1, "--test", 40, "--max_length", 64]
    made = []
    for transport, name, size in (("message", "22 M", MINILM), ("reference", "22 M", MINILM),
                                  ("reference", "110 M", BASE), ("message", "110 M", BASE)):
        if transport == "message" and available() < ROOM * size:
            NOTES.info("%s by message is left out: it takes %.0f GB", name, ROOM * size / 1e9)
            continue
        made += figures(f"{name}, 2 clients, no training, by {transport}", idle(size, transport, options.rounds))
    return [*made, *figures("MiniLM, 2 clients × 80 rows, trained, by message",
                            trained(rows, folder, 6, options.turns))]


def main() -> None:
    """Measure and report."""
    flags = parser(__doc__)
    flags.add_argument("--rounds", type=int, default=20, help="without training")
    flags.add_argument("--turns", type=int, default=2, help="of the runs that train")
    options = flags.parse_args()
    notes_to_stderr()
    with workspace() as folder:
        report("two_nodes", measure(options, Path(folder)), options)


if __name__ == "__main__":
    main()
