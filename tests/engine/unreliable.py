"""A round in the real engine whose clients fail for good, or take their time.

    python -m tests.engine.unreliable    prints {"clients": […], "mean": […]} of a round of 20 clients on 4 nodes
"""

import json
import time

import numpy as np
from flwr.client import NumPyClient

import preprocess.common as preprocess
from clients.job import Job
from engine.cluster import OwnCluster
from engine.engine import running_engine
from engine.flower_strategy import FlowerStrategy, ServerState
from engine.messages import Nodes
from engine.room import room_for
from engine.rounds import Rounds
from engine.run import Run
from engine.scheduling import whole_clients
from strategies.averaging import Averaging
from utils.config import RunConfig
from utils.machine.process import leave
from utils.machine.workers import Machine, quiet_environment
from utils.record.progress import Progress
from utils.vectors.layout import Layout
from utils.vectors.transport import Transport

CLIENTS, NODES, WORKERS, SIZE = 20, 4, 2, 64
FAILING, SLOW = (2, 3), 9


def update(client: int) -> np.ndarray:
    """Return what a client sends back, float32 [SIZE]."""
    return np.arange(SIZE, dtype=np.float32) + 10 * client


class UnreliableClient(NumPyClient):
    """Sends its update, unless it is one of FAILING; SLOW sends it when all that may overtake it has ended."""

    def __init__(self, folder: str | None) -> None:
        self.folder = folder

    def fit(self, parameters: list[np.ndarray], config: dict) -> tuple[list[np.ndarray], int, dict]:
        """Return the client's update, which weighs 1 + client."""
        client = int(config["client"])
        if client in FAILING:
            raise ValueError("out of cheese")
        if client == SLOW:
            time.sleep(3)
        arrays = Transport(self.folder, SIZE).send(f"client-{config['slot']}", update(client))
        return arrays, 1 + client, {"client": client, "loss": 0.0, "seconds": 0.0, "steps": 1}

    def evaluate(self, parameters: list[np.ndarray], config: dict) -> tuple[float, int, dict]:
        """Evaluate nothing."""
        return 0.0, 1, {"part": config["part"], "seconds": 0.0, "test": np.zeros((3, 1)).tobytes()}


class LastRound:
    """Keeps the last round's outcome, with the mean as numbers."""

    def __init__(self, strategy: FlowerStrategy) -> None:
        self.strategy, self.outcome = strategy, {}

    def round(self, server_round: int, clients: list, failures: list, evaluation: dict | None, seconds: dict,
              diagnosed: dict | None) -> str:
        """Keep it."""
        mean = np.empty(SIZE, np.float32)
        self.strategy.read(mean)
        self.outcome = {"clients": [client["client"] for client in clients], "failures": failures,
                        "mean": mean.tolist()}
        return ""

    def failure(self, *event: object) -> None:
        """Leave it to the round's failures."""


def main() -> None:
    """Run one round and print it."""
    quiet_environment(own_ray=True)
    config = RunConfig(n_clients=CLIENTS, min_success=5, n_iterations=1, skip_evalnum=2, client_retries=1)
    method = Averaging(Averaging.Flags(), Layout(SIZE, ()))
    with (room_for(config, method, CLIENTS, WORKERS) as scratch, Progress() as progress,
          running_engine(OwnCluster(Machine(WORKERS, 0, 0.0)), f"{__spec__.name}.UnreliableClient") as engine):
        strategy = FlowerStrategy(method, config, ServerState(0, np.zeros(SIZE, np.float32)),
                                  Transport(str(scratch), SIZE), CLIENTS, n_parts=1)
        run = Run(Job(config, preprocess.load(config.data).SPEC, str(scratch), ""), whole_clients, strategy,
                  LastRound(strategy), progress)
        engine.drive(lambda nodes: Rounds(run, Nodes(nodes.grid, nodes.ids[:NODES]), WORKERS).all(), str(scratch))
    print(json.dumps(run.observer.outcome))


if __name__ == "__main__":
    main()
    leave(0)
