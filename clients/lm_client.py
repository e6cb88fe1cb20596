"""The Flower client: unpacks the global vector, trains or evaluates, packs the answer."""

from functools import partial

import numpy as np
from flwr.client import Client, NumPyClient
from flwr.clientapp import ClientApp
from flwr.common import Context

from clients.worker import Job, resident_worker
from utils.transport import Transport


class LMClient(NumPyClient):
    """Plays whichever client a message names: Flower's own node ids are random, so they decide nothing."""

    def __init__(self, job: Job, transport: Transport) -> None:
        self.job = job
        self.transport = transport

    def fit(self, parameters: list[np.ndarray], config: dict) -> tuple[list[np.ndarray], int, dict]:
        """Train client `config["client"]` in round `config["round"]`; return its vector, rows and loss."""
        worker, client = resident_worker(self.job), int(config["client"])
        result = worker.fit(self.transport.unpack(parameters), int(config["round"]), client)
        slot = f"client-{client}"
        update = self.transport.buffer(slot, worker.vector.size)
        worker.vector.export(update)
        return self.transport.pack(slot, update), result["rows"], {"client": client, "loss": result["loss"]}

    def evaluate(self, parameters: list[np.ndarray], config: dict) -> tuple[float, int, dict]:
        """Evaluate part `config["part"]` of `config["parts"]`; the metrics hold float64 arrays as bytes."""
        worker, part = resident_worker(self.job), int(config["part"])
        columns = worker.evaluate(self.transport.unpack(parameters), part, int(config["parts"]))
        answer = {name: array.tobytes() for name, array in columns.items()}
        test = columns["test"]
        return float(test[1].sum()), test.shape[1], {"part": part, **answer}


def make_client(job: Job, transport: Transport, context: Context) -> Client:
    """Flower's client_fn, once its first two arguments are bound."""
    return LMClient(job, transport).to_client()


def client_app(job: Job, transport: Transport) -> ClientApp:
    """Return the ClientApp whose clients run `job`."""
    return ClientApp(client_fn=partial(make_client, job, transport))
