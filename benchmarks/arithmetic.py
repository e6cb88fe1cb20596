"""What each part of a client's fast arithmetic on the CPU is worth: rows per second with it and without it.

    python -m benchmarks.arithmetic                     2 minutes on one core

One thread and one process, in which the variants take turns, so that a change of the machine's speed meets all of
them; every ratio is the median over the turns. Seconds are the processor's, so that other processes count little. RTE
and CoLA, batches of 16, MiniLM. Then the evaluation's batch sizes, float32 products by torch's default library and by
oneDNN, and the optimizer's forms.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.common import ROOT, Figure, parser, report
from benchmarks.rows import open_rows, toy_flags
from clients.optimizer import FlatAdamW
from clients.training import Shard, Trained, Turn, local_training
from utils.data.batches import evaluation_batches
from utils.data.evaluation import ROWS_PER_BATCH
from utils.model import loading
from utils.model.encoder import fast_encoder
from utils.model.heads import make_head
from utils.model.linear import linear_layers_by
from utils.vectors.parameters import ParameterVector

#: what training does without each of its shortcuts, by the name that is replaced
_ENCODER, _DROPOUT, _TABLE = "utils.model.feed.fast_encoder", "clients.training.fast_dropout", \
    "clients.training.embedding_table"
_OFF = {_ENCODER: lambda *unused: nullcontext(), _DROPOUT: lambda *unused: nullcontext(), _TABLE: lambda *unused: None}
#: variant → (what replaces names, what replaces flags)
VARIANTS = {
    "all of it": ({}, {}),
    "without the packed encoder": ({_ENCODER: _OFF[_ENCODER]}, {}),
    "without the fast dropout masks": ({_DROPOUT: _OFF[_DROPOUT]}, {}),
    "without the small embedding table": ({_TABLE: _OFF[_TABLE]}, {}),
    "with random batches": ({}, {"batching": "random"}),
    "in float32": ({}, {"precision": "fp32"}),
    "without any, random batches, float32": (_OFF, {"batching": "random", "precision": "fp32"}),
}


class Bench:
    """A model and a client's shard of a task, to be trained and evaluated in one process."""

    def __init__(self, flags: list, rows: int, source: str) -> None:
        data = open_rows(flags, source)
        self.config = replace(data.config, precision="bf16")
        self.model, tokenizer = loading.load(loading.Wanted.by(self.config), data.table.spec)
        self.vector = ParameterVector(self.model)
        self.start = self.vector.values.clone()
        self.optimizer = FlatAdamW(self.vector, 0.0)
        self.head = make_head(data.table.spec, tokenizer, False)
        self.shard = Shard(data.tokens["train"], data.labels["train"], data.plan.shards[0][:rows])

    def train(self, replaced: dict[str, Callable], flags: dict[str, Any]) -> float:
        """Train the shard for a round; return its rows per second."""
        self.vector.values.copy_(self.start)
        self.optimizer.restore(None, 0)
        with ExitStack() as stack:
            for name, replacement in replaced.items():
                stack.enter_context(patch(name, replacement))
            began = time.process_time()
            local_training(Trained(self.model, self.vector, self.optimizer, self.head), self.shard,
                           Turn(replace(self.config, **flags), 1, 0))
            return len(self.shard.rows) / (time.process_time() - began)

    def evaluate(self, batch_size: int = ROWS_PER_BATCH, library: str = "torch") -> float:
        """Evaluate the shard's rows; return them per second."""
        began = time.process_time()
        for batch in self.batches(batch_size, library):
            self.head.evaluate(self.model, batch)
        return len(self.shard.rows) / (time.process_time() - began)

    def logits(self, library: str) -> torch.Tensor:
        """Return those of the shard's rows, float64 [rows, labels]."""
        return torch.cat([self.head.scores(self.model, batch) for batch in self.batches(ROWS_PER_BATCH, library)])

    def batches(self, batch_size: int, library: str) -> Iterator[dict[str, torch.Tensor]]:
        """Yield the shard's rows in batches of evaluation; in between the model computes as there."""
        self.model.eval()
        with torch.inference_mode(), fast_encoder(self.model), linear_layers_by(library, self.model):
            for batch in evaluation_batches(self.shard.tokens.lengths[self.shard.rows], batch_size):
                rows = self.shard.rows[batch]
                yield self.head.collate(self.shard.tokens, rows, self.shard.labels[rows])


def in_turn(variants: Mapping[str, Callable[[], float]], turns: int) -> dict[str, list[float]]:
    """Call each variant `turns` times in turn, after one call to warm up; return its speeds."""
    next(iter(variants.values()))()
    speeds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(turns):
        for name, measure in variants.items():
            speeds[name].append(measure())
    return speeds


def ratios(what: str, speeds: dict[str, list[float]], unit: str) -> list[Figure]:
    """Return the speed of the first variant, and how many times as fast it is as each other one."""
    first, *others = speeds
    return [Figure(f"{what}, {first}", statistics.median(speeds[first]), unit)] + [
        Figure(f"{what}, {first} over {other}",
               statistics.median(np.divide(speeds[first], speeds[other]).tolist()), "×") for other in others]


def libraries(task: str, bench: Bench, turns: int) -> list[Figure]:
    """Return what oneDNN's float32 products are worth, and by how much they differ."""
    figures = []
    for what, measure in (("evaluation", lambda library: bench.evaluate(library=library)),
                          ("float32 training", lambda library: bench.train({}, {"precision": "fp32",
                                                                                "fp32_products": library}))):
        speeds = {f"by {library}": partial(measure, library) for library in ("onednn", "torch")}
        figures += ratios(f"{task}: {what}", in_turn(speeds, turns), "rows/s")
    largest = (bench.logits("onednn") - bench.logits("torch")).abs().max()
    return [*figures, Figure(f"{task}: largest difference of a logit by onednn from one by torch", float(largest), "")]


def optimizers(model: torch.nn.Module) -> dict[str, Callable[[], float]]:
    """Return the steps per second of AdamW on the model's parameters in four forms."""
    def steps(tensors: Iterable[torch.Tensor], **form: Any) -> Callable[[], float]:
        parameters = [torch.nn.Parameter(tensor.detach().clone()) for tensor in tensors]
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, 1e-3)
        optimizer = torch.optim.AdamW(parameters, **form)

        def measure() -> float:
            began = time.process_time()
            optimizer.step()
            return 1 / (time.process_time() - began)
        return measure

    tensors = list(model.parameters())
    flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
    return {"flat and fused": steps([flat], fused=True), "per tensor, fused": steps(tensors, fused=True),
            "per tensor, foreach": steps(tensors, foreach=True), "per tensor, plain": steps(tensors, foreach=False)}


def main() -> None:
    """Measure and report."""
    flags = parser(__doc__)
    flags.add_argument("--turns", type=int, default=3, help="times that every variant is measured (default: 3)")
    flags.add_argument("--source", default="", help="where the tasks' tables are made from when they are absent")
    options = flags.parse_args()
    torch.set_num_threads(1)
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for task, rows in (("rte", 48), ("cola", 96)):
            run = ["--data", task, "--data_dir", ROOT / "data", "--test", 200]
            bench = Bench(toy_flags(Path(folder)) if options.small else run, rows, options.source)
            trained = {name: partial(bench.train, *change) for name, change in VARIANTS.items()}
            figures += ratios(f"{task}: training", in_turn(trained, options.turns), "rows/s")
            evaluated = {f"batches of {size}": partial(bench.evaluate, size)
                         for size in (ROWS_PER_BATCH, 8, 16, 64)}
            figures += ratios(f"{task}: evaluation", in_turn(evaluated, options.turns), "rows/s")
            figures += libraries(task, bench, options.turns)
    figures += ratios("AdamW's step", in_turn(optimizers(bench.model), 3 * options.turns), "steps/s")
    report("arithmetic", figures, options)


if __name__ == "__main__":
    main()
