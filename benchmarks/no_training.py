"""This program's rounds without training, for the data plane: clients load the global vector and return their model's.

    python -m benchmarks.no_training --size 110000000 --clients 3 --rounds 6

One line for each round goes to stdout: its seconds, and a digest of the averaged vector. Strategy, rounds, transport,
mean and Ray are those of main_lm.py; a client copies the vector into a model's memory and back as a real one does.
"""

import argparse
import hashlib
from functools import lru_cache

import numpy as np

from utils.console import notes_to_stderr
from utils.machine.workers import Machine, quiet_environment, usable_cores

quiet_environment(own_ray=True)

import torch  # noqa: E402
from flwr.client import NumPyClient  # noqa: E402

import preprocess.common as preprocess  # noqa: E402
from clients.job import Job  # noqa: E402
from engine.cluster import OwnCluster  # noqa: E402
from engine.engine import Engine, running_engine  # noqa: E402
from engine.flower_strategy import FlowerStrategy, ServerState  # noqa: E402
from engine.room import room_for  # noqa: E402
from engine.rounds import Rounds  # noqa: E402
from engine.run import Run  # noqa: E402
from engine.scheduling import whole_clients  # noqa: E402
from strategies.averaging import Averaging  # noqa: E402
from utils.config import RunConfig  # noqa: E402
from utils.failure import Failure  # noqa: E402
from utils.model import loading  # noqa: E402, F401  (the memory of a driver that has it)
from utils.record.progress import Progress  # noqa: E402
from utils.vectors.layout import Layout  # noqa: E402
from utils.vectors.transport import Transport  # noqa: E402


@lru_cache(maxsize=1)
def resident(folder: str, size: int) -> tuple[Transport, torch.Tensor]:
    """Return this process's transport and its model's parameters."""
    return Transport(folder, size), torch.zeros(size)


class IdleClient(NumPyClient):
    """Loads the vector it is sent, and returns it with one number changed."""

    def __init__(self, place: tuple[str, int] | None) -> None:
        self.folder, self.size = place or ("", 0)

    def fit(self, parameters: list[np.ndarray], config: dict) -> tuple[list[np.ndarray], int, dict]:
        """Copy in, mark, copy out."""
        transport, values = resident(self.folder, self.size)
        np.copyto(values.numpy(), transport.receive(parameters))
        values[config["client"]] += config["round"]
        return transport.send(f"client-{config['slot']}", values.numpy()), 1 + config["client"], {
            "client": config["client"], "loss": 0.0, "seconds": 0.0, "steps": 1}

    def evaluate(self, parameters: list[np.ndarray], config: dict) -> tuple[float, int, dict]:
        """Evaluate nothing."""
        return 0.0, 1, {"part": config["part"], "seconds": 0.0, "test": np.zeros((3, 1)).tobytes()}


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=110_000_000, help="parameters")
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--transport", choices=("reference", "message"), default="reference")
    options = parser.parse_args()
    notes_to_stderr()
    machine = Machine(workers=min(usable_cores(), options.clients), n_gpus=0, gpus_per_worker=0.0)
    with running_engine(OwnCluster(machine), "benchmarks.no_training.IdleClient") as engine:
        run_rounds(engine, options)


def run_rounds(engine: Engine, options: argparse.Namespace) -> None:
    """Run the rounds on `engine`, and print a line for each."""
    machine = engine.machine
    initial = np.random.default_rng(0).standard_normal(options.size, dtype=np.float32)
    method = Averaging(Averaging.Flags(), Layout(options.size, ()))
    config = RunConfig(n_iterations=options.rounds, skip_evalnum=options.rounds, transport=options.transport)
    with room_for(config, method, options.clients, machine.workers) as scratch, Progress() as progress:
        folder = str(scratch) if options.transport == "reference" else ""
        strategy = FlowerStrategy(method, config, ServerState(0, initial), Transport(folder, options.size),
                                  options.clients, n_parts=1)
        job = Job(config, preprocess.load(config.data).SPEC, folder, "")
        run = Run(job, whole_clients, strategy, Timing(strategy, initial, options.rounds), progress)
        engine.drive(lambda nodes: Rounds(run, nodes, machine.workers).all(), (folder, options.size))


class Timing:
    """Prints a line for each round; reads the global vector into `out`, as a checkpoint would."""

    def __init__(self, strategy: FlowerStrategy, out: np.ndarray, n_rounds: int) -> None:
        self.strategy, self.out, self.n_rounds = strategy, out, n_rounds

    def round(self, server_round: int, clients: list[dict], failures: list[str], evaluation: dict | None,
              seconds: dict[str, float]) -> str:
        """Print the seconds of a round, and after the last one what its vector is."""
        if server_round:
            self.strategy.read(self.out)
            digest = hashlib.blake2b(self.out.data, digest_size=8).hexdigest() if server_round == self.n_rounds else "-"
            print(f"round={server_round} seconds={seconds['train']:.3f} digest={digest}", flush=True)
        return ""

    def failure(self, server_round: int, what: str, number: int, failure: Failure) -> None:
        """Leave it to what the round raises."""


if __name__ == "__main__":
    main()
