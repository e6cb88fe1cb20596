"""The Flower client: unpacks the global vector, trains or evaluates, packs the answer."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from flwr.client import NumPyClient

from clients.job import Job, Piece
from clients.worker import Worker, resident


class LMClient(NumPyClient):
    """Plays whichever client a message names: Flower's own node ids are random, so they decide nothing.

    `job` may be missing: such a client only shows that its worker is up.
    """

    def __init__(self, job: Job | None) -> None:
        self.job = job

    def _worker(self, config: dict) -> Worker:
        """Return the worker of the message's run; raise RuntimeError for one that was broken off before its turn."""
        assert self.job is not None, "Flower asks for work only once it has sent a job"
        if config.get("run", self.job.scratch) != self.job.scratch:
            raise RuntimeError("the message is of a run that has ended")
        return resident().worker_of(self.job)

    def get_properties(self, config: dict) -> dict:
        """Become ready for the message's run, if there is one; return nothing."""
        if self.job is not None:
            with without_memory_end():
                self._worker(config)
        return {}

    def fit(self, parameters: list[np.ndarray], config: dict) -> tuple[list[np.ndarray], int, dict]:
        """Train client `config["client"]` in round `config["round"]`; return its vectors, rows and measures.

        A message may ask for steps `config["begin"]` to `config["end"]` (0: the last) only. What an unfinished
        client is stays in this machine's buffers of number `config["cut"]`, and the answer holds no vector.
        What it keeps is as after round `config["last"]`, the last one that its update is in (0: none).
        """
        with without_memory_end():
            worker, client = self._worker(config), int(config["client"])
            piece = Piece(0, int(config["begin"]), int(config["end"]), int(config["cut"]))
            result = worker.fit(worker.received(parameters), int(config["round"]), client, piece, int(config["last"]))
            vectors = worker.vector.numpy(), *result["beside"]
            update = [] if piece.end else worker.answers.send(f"client-{config['slot']}", *vectors)
        return update, result["rows"], {"client": client, **{key: result[key] for key in ("loss", "seconds", "steps")}}

    def evaluate(self, parameters: list[np.ndarray], config: dict) -> tuple[float, int, dict]:
        """Evaluate part `config["part"]` of `config["parts"]`; the metrics hold float64 arrays as bytes.

        `config["only"]` names the one set that is asked for, "" all of them.
        `seconds` are those of the evaluation, without the time to become ready for it.
        """
        with without_memory_end():
            worker, part, began = self._worker(config), int(config["part"]), time.perf_counter()
            columns = worker.evaluate(worker.received(parameters)[0], part, int(config["parts"]), str(config["only"]))
        answer = {name: array.tobytes() for name, array in columns.items()}
        headline = next(iter(columns.values()))  # the first set
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
