"""The Flower client: unpacks the global vector, trains or evaluates, packs the answer."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from flwr.client import NumPyClient

from clients.worker import Job, resident_worker


class LMClient(NumPyClient):
    """Plays whichever client a message names: Flower's own node ids are random, so they decide nothing.

    `job` may be missing: such a client only tells that its worker is up.
    """

    def __init__(self, job: Job | None) -> None:
        self.job = job

    def fit(self, parameters: list[np.ndarray], config: dict) -> tuple[list[np.ndarray], int, dict]:
        """Train client `config["client"]` in round `config["round"]`; return its vector, rows, loss and seconds.

        A message may ask for steps `config["begin"]` to `config["end"]` (0: the last) only. What an unfinished
        client is stays in this machine's buffers of number `config["cut"]`, and the answer holds no vector.
        """
        with without_memory_end():
            worker, client = resident_worker(self.job), int(config["client"])
            result = worker.fit(worker.transport.receive(parameters), int(config["round"]), client,
                                int(config["begin"]), int(config["end"]), int(config["cut"]))
            update = [] if config["end"] else worker.transport.send(f"client-{config['slot']}", worker.vector.numpy())
        return update, result["rows"], {"client": client, "loss": result["loss"], "seconds": result["seconds"]}

    def evaluate(self, parameters: list[np.ndarray], config: dict) -> tuple[float, int, dict]:
        """Evaluate part `config["part"]` of `config["parts"]`; the metrics hold float64 arrays as bytes.

        `seconds` are those of the evaluation, without the time to become ready for it.
        """
        with without_memory_end():
            worker, part, began = resident_worker(self.job), int(config["part"]), time.perf_counter()
            columns = worker.evaluate(worker.transport.receive(parameters), part, int(config["parts"]))
        answer = {name: array.tobytes() for name, array in columns.items()}
        headline = next(iter(columns.values()))
        return float(headline[1].sum()), headline.shape[1], {
            "part": part, "seconds": time.perf_counter() - began, **answer}


@contextmanager
def without_memory_end() -> Iterator[None]:
    """End this process if memory runs out inside: a new one has all of it back, and the client runs again there."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:  # of NumPy, of torch, of a map
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in str(error):
            os._exit(errno.ENOMEM)
        raise
