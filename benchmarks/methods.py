"""Seconds of the server's part of a round, for every method of strategies/, at the layout of BERT-base (110 M).

    python -m benchmarks.methods                                  3 and 8 clients
    python -m benchmarks.methods --clients 3 --only ties median

The updates are made up and lie in shared memory, as clients leave them by reference; the method has its default flags,
and those for adapters the vector of --train lora. Of each turn's seconds, which are from the first update in hand to
the new global vector, the least counts. A method whose vectors have no room in memory says so on stderr and has no row.
"""

import argparse
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters
from threadpoolctl import threadpool_limits

from benchmarks.common import Figure, available, parser, report
from engine.flower_strategy import FlowerStrategy, ServerState
from engine.room import buffers
from strategies import Strategy, strategy_of
from utils.config import RunConfig
from utils.console import in_bytes
from utils.machine.scratch import scratch_folder
from utils.plugins import STRATEGIES
from utils.vectors.layout import Layout
from utils.vectors.spectral import svd
from utils.vectors.transport import Transport

STREAMED, MERGED, LOOKED = 0.5, 2.0, 5.0  # seconds at most


def config_of(name: str) -> RunConfig:
    """Return the configuration of a run by a method, all else as it is by default."""
    return RunConfig(strategy=name, train=STRATEGIES.load(name).trains or RunConfig.train)


def layout_of(config: RunConfig, small: bool) -> Layout:
    """Return where the tensors of BERT-base, or of a tiny one, that a run trains lie in a vector."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from utils.model.trainable import choose_trained
    from utils.vectors.parameters import ParameterVector

    tiny = {"vocab_size": 500, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
            "num_attention_heads": 2, "max_position_embeddings": 16}
    with torch.device("meta"):
        model = BertForSequenceClassification(BertConfig(**tiny if small else {}))
        choose_trained(model, config)
        return ParameterVector(model).layout


def made_up(size: int, number: int, scale: float) -> np.ndarray:
    """Return normal numbers, float32 [size], of a standard deviation."""
    values = np.random.default_rng(number).standard_normal(size, dtype=np.float32)
    values *= np.float32(scale)
    return values


class Bench:
    """A global vector and the messages of `clients` updates of it in a `folder`, with vectors as methods need them."""

    def __init__(self, folder: Path, layout: Layout, clients: int) -> None:
        self.folder, self.layout, self.clients = str(folder), layout, clients
        self.vector = made_up(layout.size, 0, 0.02)
        self.vectors = 0  # of a message, so far

    def fill(self, vectors: int) -> None:
        """See to it that each message has so many vectors: the model, then others, which are positive."""
        transport = Transport(self.folder, self.layout.size, vectors=max(vectors, self.vectors))
        for client in range(self.clients):
            arrays = transport.buffer(f"client-{client}")
            for number in range(self.vectors, vectors):
                values = made_up(self.layout.size, client + number * self.clients + 1, 1e-3)
                values = np.abs(values) if number else values + self.vector
                with transport.opened(arrays, number) as elements:
                    elements.write(0, values)
        self.vectors = max(vectors, self.vectors)

    def seconds(self, method: Strategy, config: RunConfig) -> float:
        """Return what one round takes."""
        transport = Transport(self.folder, self.layout.size)
        server = FlowerStrategy(method, config, ServerState(0, self.vector), transport, self.clients, n_parts=1)
        answers = [FitRes(Status(Code.OK, ""), ndarrays_to_parameters([np.frombuffer(b"client-%d" % k, np.uint8)]),
                          100 + k, {"client": k, "loss": 0.5, "seconds": 1.0, "steps": 10 + k})
                   for k in range(self.clients)]
        began = time.perf_counter()
        server.aggregate(1, answers, [])
        return time.perf_counter() - began


def figure(name: str, method: Strategy, clients: int, seconds: float) -> Figure:
    """Return a method's seconds beside what they are to be; of methods that need whole tensors they are only said."""
    what = f"{name}, {clients} clients"
    if method.whole:
        return Figure(what, seconds, "s")
    return Figure.at_most(what, seconds, "s", STREAMED if method.streams else LOOKED if method.looks else MERGED)


def measure(clients: int, options: argparse.Namespace) -> list[Figure]:
    """Return the figures of all methods for so many clients."""
    figures: list[Figure] = []
    by_layout: dict[str, list[tuple[str, RunConfig, Strategy]]] = defaultdict(list)
    for name in options.only or STRATEGIES.names():
        config = config_of(name)
        layout = layout_of(config, options.small)
        by_layout[layout.fingerprint].append((name, config, strategy_of(config, layout)))
    for methods in by_layout.values():
        layout = methods[0][2].layout
        with scratch_folder(4 * layout.size * clients) as folder:
            bench = Bench(folder, layout, clients)
            for name, config, method in sorted(methods, key=lambda each: each[2].returned):
                needed = 4 * layout.size * (buffers(method, clients, clients, 0) - bench.vectors * clients)
                if needed > available():
                    print(f"{name}: {in_bytes(needed)} for {clients} clients, more than can be had", file=sys.stderr)
                    continue
                bench.fill(method.returned)
                seconds = min(bench.seconds(method, config) for _ in range(options.turns))
                figures.append(figure(name, method, clients, seconds))
                print(figures[-1].row(), file=sys.stderr)
    return figures


def singular_values(small: bool, turns: int) -> list[Figure]:
    """Return how many times as fast as LAPACK's float32 SVD the way by the Gram matrix is, in processor seconds."""
    figures = []
    for shape in [(32, 64)] if small else [(768, 768), (768, 3072)]:
        matrix = made_up(math.prod(shape), 0, 1e-3).reshape(shape)
        seconds: dict[Callable, list[float]] = {svd: [], partial(np.linalg.svd, full_matrices=False): []}
        for _ in range(turns):
            for function, taken in seconds.items():
                with threadpool_limits(1):
                    began = time.process_time()
                    function(matrix)
                    taken.append(time.process_time() - began)
        ours, lapack = map(min, seconds.values())
        figures.append(Figure(f"SVD of {shape[0]} × {shape[1]}: times faster by the Gram matrix in float64 than "
                              "LAPACK's in float32", lapack / ours, "×"))
    return figures


def main() -> None:
    """Measure and report."""
    flags = parser(__doc__)
    flags.add_argument("--clients", type=int, nargs="+", default=[3, 8], help="of a round (default: 3 8)")
    flags.add_argument("--only", nargs="+", default=[], metavar="NAME", help="of the methods (default: all)")
    flags.add_argument("--turns", type=int, default=3, help="rounds of each method, of which the fastest counts")
    options = flags.parse_args()
    figures = [one for clients in options.clients for one in measure(clients, options)]
    report("methods", figures + singular_values(options.small, options.turns), options)


if __name__ == "__main__":
    main()
