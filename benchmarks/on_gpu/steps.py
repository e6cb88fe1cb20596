"""Training steps of one model in one process, by each way to compute them: their seconds, kernels and waits.

    echo '{"model": FOLDER, "data_dir": FOLDER, …}' | python -m benchmarks.on_gpu.steps

A process of its own, because a card's memory is given back, and a fault of its driver forgotten, at a process's end.
The fields of a `Case` are read from stdin, as JSON; a JSON line of `Measured` goes to stdout for each of its `ways`.
"""

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from transformers import PreTrainedModel

import preprocess.common as preprocess
from clients.job import Job
from clients.training import Shard, Trained, Turn, local_training, steps_per_round
from clients.worker import Worker
from utils.config import RunConfig
from utils.errors import in_short
from utils.model.varlen import varlen_encoder

WAYS = ("padded", "packed", "compiled")
COUNTED = (2, 6)  # steps after which kernels and waits are counted: what is between is the steps' own
STARTS = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch")


@dataclass(frozen=True)
class Case:
    """What is measured: the model and rows in two folders, a run's flags, how many steps, and in which ways."""

    model: str
    data_dir: str
    max_length: int
    batch_size: int
    steps: int
    n_gpus: int
    ways: tuple[str, ...] = WAYS
    precision: str = "bf16"


@dataclass(frozen=True)
class Measured:
    """`seconds` of training the rows of `lengths` (tokens) in `steps` steps; of each step its `kernels`, how often the
    device was asked to `start` something, and how often it was waited for; rows `evaluated` per second in float32.

    Or, with all else zero, why it `failed`.
    """

    way: str
    seconds: float = 0.0
    steps: int = 0
    lengths: tuple[int, ...] = ()
    kernels: float = 0.0
    starts: float = 0.0
    waits: float = 0.0
    evaluated: float = 0.0
    failed: str = ""


class Loop:
    """The training loop of a client that holds all rows of a case, computed in one way."""

    def __init__(self, case: Case, way: str, folder: Path) -> None:
        self.config = RunConfig(data="rte", data_dir=case.data_dir, model=case.model, centralized=True, n_iterations=1,
                                random_init=True, max_length=case.max_length, batch_size=case.batch_size,
                                precision=case.precision, n_gpus=case.n_gpus, compile=way == "compiled")
        (folder / "model").symlink_to(case.model)
        self.way = way
        self.worker = Worker(Job(self.config, preprocess.load("rte").SPEC, str(folder), str(folder)))
        data = self.worker.data
        rows = data.plan.shards[0][:case.steps * case.batch_size]
        self.shard = Shard(data.tokens["train"], data.labels["train"], rows)
        self.start = self.worker.vector.values.clone()

    def train(self, end: int = 0) -> float:
        """Train from the start, for all steps or the first `end`; return the seconds."""
        worker = self.worker
        worker.vector.values.copy_(self.start)
        worker.optimizer.restore(None, 0)
        wait_for(worker.device)
        began = time.perf_counter()
        with self.computed():
            local_training(Trained(worker.model, worker.vector, worker.optimizer, worker.head), self.shard,
                           Turn(self.config, 1, 0), end=end)
        wait_for(worker.device)
        return time.perf_counter() - began

    @contextmanager
    def computed(self) -> Iterator[None]:
        """Have encoders packed for all batches or for none, unless they are compiled."""
        if self.way == "compiled":
            yield
            return
        limit = 0 if self.way == "packed" else sys.maxsize

        def feeding(model: PreTrainedModel, device: torch.device, config: RunConfig, precision: str,
                    *unused: object) -> AbstractContextManager:
            return varlen_encoder(model, device, torch.bfloat16 if precision == "bf16" else torch.float32, limit)

        with patch("clients.training.feeding", feeding), patch("clients.worker.feeding", feeding):
            yield

    def evaluate(self) -> float:
        """Evaluate the test rows as a run does; return them per second."""
        vector = self.start.cpu().numpy()
        with self.computed():
            self.worker.evaluate(vector, 0, 1)
            began = time.perf_counter()
            columns = self.worker.evaluate(vector, 0, 1)
        return next(iter(columns.values())).shape[1] / (time.perf_counter() - began)

    def measured(self) -> Measured:
        """Measure all, after a round that compiles what is compiled at first use."""
        self.train()
        seconds, steps = self.train(), steps_per_round(len(self.shard.rows), self.config)
        kernels, starts, waits = (np.subtract(many, few) / (COUNTED[1] - COUNTED[0]) for few, many in
                                  zip(*(self.counts(end) for end in COUNTED)))
        lengths = self.shard.tokens.lengths[self.shard.rows]
        return Measured(self.way, seconds, steps, tuple(map(int, lengths)), float(kernels), float(starts),
                        float(waits), self.evaluate())

    def counts(self, end: int) -> tuple[int, int, int]:
        """Return how many kernels run, how often the device is asked to start any, and waited for, in `end` steps.

        Without a card the operations that torch is asked for stand for both.
        """
        on_card = self.worker.device.type == "cuda"
        with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_card else [])]) as seen:
            self.train(end)
        names = [event.name for event in seen.events()]
        on_device = [event for event in seen.events() if event.device_type == torch.autograd.DeviceType.CUDA]
        kernels = [event for event in on_device if not event.name.startswith(("Memcpy", "Memset"))]
        starts = [name for name in names if name.startswith(STARTS if on_card else "aten::")]
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            if on_card:
                torch.cuda.set_sync_debug_mode("warn")
            self.train(end)
            if on_card:
                torch.cuda.set_sync_debug_mode("default")
        waits = [each for each in warned if "synchroniz" in str(each.message)]
        return len(kernels if on_card else starts), len(starts), len(waits)


def wait_for(device: torch.device) -> None:
    """Wait until the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(case: Case, way: str) -> Measured:
    """Return what is measured of a case in one way, or why it failed."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return Loop(case, way, Path(folder)).measured()
        except Exception as error:  # the card's memory, a compiler, a kernel
            return Measured(way, failed=in_short(error, 300))


def main() -> None:
    """Measure each way of the case on stdin."""
    torch.set_num_threads(1)
    given = json.load(sys.stdin)
    case = Case(**{**given, "ways": tuple(given["ways"])})
    for way in case.ways:
        print(json.dumps(asdict(measure(case, way))), flush=True)
        if case.n_gpus:
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
