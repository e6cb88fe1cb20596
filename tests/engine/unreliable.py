"""A round in the real engine whose clients fail for good, or take their time.

    python -m tests.engine.unreliable    prints {"clients": […], "mean": […]} of a round of 20 clients on 4 nodes
"""

import json
import time

import numpy as np
from flwr.client import NumPyClient

from engine.cluster import OwnCluster
from engine.engine import running_engine
from engine.flower_strategy import ParameterAveraging, buffers
from engine.messages import Piece
from engine.rounds import Rounds
from utils.machine.process import leave
from utils.machine.scratch import scratch_folder
from utils.machine.workers import Machine, quiet_environment
from utils.record.progress import Progress
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
        return arrays, 1 + client, {"client": client, "loss": 0.0, "seconds": 0.0}

    def evaluate(self, parameters: list[np.ndarray], config: dict) -> tuple[float, int, dict]:
        """Evaluate nothing."""
        return 0.0, 1, {"part": config["part"], "seconds": 0.0, "test": np.zeros((3, 1)).tobytes()}


def main() -> None:
    """Run one round and print it."""
    quiet_environment(own_ray=True)
    lines = []
    with (scratch_folder(4 * SIZE * buffers(CLIENTS, NODES, WORKERS)) as scratch, Progress() as progress,
          running_engine(OwnCluster(Machine(WORKERS, 0, 0.0)), f"{__spec__.name}.UnreliableClient") as engine):
        strategy = ParameterAveraging(np.zeros(SIZE, np.float32), Transport(str(scratch), SIZE), n_clients=CLIENTS,
                                      frac_fit=1.0, seed=0, n_parts=1, min_success=5)

        def on_round(server_round: int, clients: list, failures: list, evaluation: dict | None, seconds: dict) -> str:
            mean = np.empty(SIZE, np.float32)
            strategy.read(mean)
            lines.append({"clients": [client["client"] for client in clients], "failures": failures,
                          "mean": mean.tolist()})
            return ""

        rounds = Rounds(strategy, lambda server_round, clients: [Piece(k) for k in range(len(clients))], on_round,
                        lambda *event: None, progress, n_rounds=1, evaluate_every=2, n_nodes=NODES, tries=2)
        engine.run(rounds.run, str(scratch))
    print(json.dumps(lines[-1]))


if __name__ == "__main__":
    main()
    leave(0)
