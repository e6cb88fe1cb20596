"""This program's rounds without training, for the data plane: clients load the global vector and return their model's.

    python -m benchmarks.no_training --size 110000000 --clients 3 --rounds 6

One line for each round goes to stdout: its seconds, and a digest of the averaged vector. Strategy, rounds, transport,
mean and Ray are those of main_lm.py; a client (benchmarks/idle_client.py) copies the vector into a model's memory and
back as a real one does.
"""

import argparse
import hashlib
import sys
from typing import TYPE_CHECKING

import numpy as np

import preprocess.common as preprocess
from engine.cluster import cluster_for
from engine.engine import Engine, running_engine
from utils.config import RunConfig
from utils.console import notes_to_stderr
from utils.failure import Failure
from utils.machine.workers import pause_collector, quiet_environment, resume_collector

if TYPE_CHECKING:
    from engine.flower_strategy import FlowerStrategy


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=110_000_000, help="parameters")
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--transport", choices=("reference", "message"), default="reference")
    parser.add_argument("--ray_address", default="", help="the cluster to join, as main_lm.py does")
    parser.add_argument("--paced", action="store_true", help="wait for a line of stdin before each round, and the end")
    options = parser.parse_args()
    notes_to_stderr()
    pause_collector()
    quiet_environment(own_ray=not options.ray_address)
    config = RunConfig(n_iterations=options.rounds, skip_evalnum=options.rounds, transport=options.transport,
                       ray_address=options.ray_address)
    with running_engine(cluster_for(config, options.clients), "benchmarks.idle_client.IdleClient") as engine:
        run_rounds(engine, config, options)


def run_rounds(engine: Engine, config: RunConfig, options: argparse.Namespace) -> None:
    """Run the rounds on `engine`, and print a line for each."""
    from clients.job import Job
    from engine.flower_strategy import FlowerStrategy, ServerState
    from engine.room import room_for
    from engine.rounds import Rounds
    from engine.run import Run
    from engine.scheduling import whole_clients
    from strategies.averaging import Averaging
    from utils.model import loading  # noqa: F401  (the memory of a driver that has it)
    from utils.record.progress import Progress
    from utils.vectors.layout import Layout
    from utils.vectors.transport import Transport

    workers = engine.machine.workers
    initial = np.random.default_rng(0).standard_normal(options.size, dtype=np.float32)
    method = Averaging(Averaging.Flags(), Layout(options.size, ()))
    with room_for(config, method, options.clients, workers) as scratch, Progress() as progress:
        folder = str(scratch) if options.transport == "reference" else ""
        strategy = FlowerStrategy(method, config, ServerState(0, initial), Transport(folder, options.size),
                                  options.clients, n_parts=1)
        job = Job(config, preprocess.load(config.data).SPEC, folder, "")
        run = Run(job, whole_clients, strategy, Timing(strategy, initial, options), progress)
        resume_collector()
        engine.drive(lambda nodes: Rounds(run, nodes, workers).all(), (folder, options.size))


class Timing:
    """Prints a line for each round; reads the global vector into `out`, as a checkpoint would; keeps pace."""

    def __init__(self, strategy: "FlowerStrategy", out: np.ndarray, options: argparse.Namespace) -> None:
        self.strategy, self.out, self.n_rounds, self.paced = strategy, out, options.rounds, options.paced

    def round(self, server_round: int, clients: list[dict], failures: list[str], evaluation: dict | None,
              seconds: dict[str, float], diagnosed: dict | None) -> str:
        """Print the seconds of a round, and after the last one what its vector is."""
        if server_round:
            self.strategy.read(self.out)
            digest = hashlib.blake2b(self.out.data, digest_size=8).hexdigest() if server_round == self.n_rounds else "-"
            print(f"round={server_round} seconds={seconds['train']:.3f} digest={digest}", flush=True)
        if self.paced:  # the last one too: what ends takes time of what goes on
            sys.stdin.readline()
        return ""

    def failure(self, server_round: int, what: str, number: int, failure: Failure) -> None:
        """Leave it to what the round raises."""


if __name__ == "__main__":
    main()
