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

from engine.cluster import OwnCluster  # noqa: E402
from engine.engine import Engine, running_engine  # noqa: E402
from engine.flower_strategy import ParameterAveraging, buffers  # noqa: E402
from engine.messages import Piece, nodes_for  # noqa: E402
from engine.rounds import Rounds  # noqa: E402
from utils.machine.scratch import scratch_folder  # noqa: E402
from utils.model import loading  # noqa: E402, F401  (the memory of a driver that has it)
from utils.record.progress import Progress  # noqa: E402
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
            "client": config["client"], "loss": 0.0, "seconds": 0.0}

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
    n_nodes = nodes_for(initial.nbytes, machine.workers)
    with scratch_folder(initial.nbytes * buffers(options.clients, n_nodes, machine.workers)) as scratch:
        folder = str(scratch) if options.transport == "reference" else ""
        strategy = ParameterAveraging(initial, Transport(folder, options.size), n_clients=options.clients, frac_fit=1.0,
                                      seed=0, n_parts=1, threads=usable_cores())

        def on_round(server_round: int, clients: list, failures: list, evaluation: dict | None, seconds: dict) -> str:
            if server_round:
                strategy.read(initial)  # as a checkpoint would
                digest = hashlib.blake2b(initial, digest_size=8).hexdigest() if server_round == options.rounds else "-"
                print(f"round={server_round} seconds={seconds['train']:.3f} digest={digest}", flush=True)
            return ""

        with Progress() as progress:
            rounds = Rounds(strategy, lambda server_round, clients: [Piece(k) for k in range(len(clients))], on_round,
                            lambda server_round, what, number, failure: None, progress, n_rounds=options.rounds,
                            evaluate_every=options.rounds, n_nodes=n_nodes)
            engine.run(rounds.run, (folder, options.size))


if __name__ == "__main__":
    main()
