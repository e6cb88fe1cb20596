"""The matrix products of a run and nothing else: how many operations they are, and how fast this machine does them."""

import threading
import time
from collections.abc import Callable

import numpy as np
import torch
from transformers import PretrainedConfig

TURNS = 50
#: rows of a product that is timed: a batch's tokens, of 16 rows of 64
TOKENS = 1024


def forward_operations(config: PretrainedConfig, lengths: np.ndarray) -> float:
    """Return the operations (two for a multiply and add) of a BERT-like classifier's forward pass, without any padding.

    `lengths`: tokens of each row. Of the last layer only what the first token needs, which is all that its head reads,
    as utils/model/encoder.py computes it. A training step has three times as many: each product has two in the
    backward pass.
    """
    hidden, inner, n = config.hidden_size, config.intermediate_size, lengths.astype(np.float64)
    matrix, feed_forward = 2 * hidden * hidden, 2 * 2 * hidden * inner
    whole = n * (4 * matrix + feed_forward) + 4 * n * n * hidden
    last = n * 2 * matrix + 2 * matrix + feed_forward + 4 * n * hidden
    head = matrix + 2 * hidden * config.num_labels
    return float(((config.num_hidden_layers - 1) * whole + last + head).sum())


def operations_per_second(config: PretrainedConfig, dtype: torch.dtype, cores: int,
                          product: Callable = torch.nn.functional.linear) -> float:
    """Return how many operations `cores` threads make in a second, each in products of its own of an encoder's shape.

    `product(x, y)` returns x yᵀ, `x` [rows, k], `y` [n, k], both of `dtype`. The fastest of TURNS counts for each
    thread: all are at work meanwhile.
    """
    torch.set_num_threads(1)
    fastest = [float("inf")] * cores
    start = threading.Barrier(cores)

    def measure(core: int) -> None:
        x = torch.full((TOKENS, config.hidden_size), 0.5, dtype=dtype)
        weight = torch.full((config.intermediate_size, config.hidden_size), 0.5, dtype=dtype)
        start.wait()
        for turn in range(TURNS):
            began = time.perf_counter()
            product(x, weight)
            if turn:  # the first one compiles the kernel
                fastest[core] = min(fastest[core], time.perf_counter() - began)

    threads = [threading.Thread(target=measure, args=[core]) for core in range(cores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(2 * TOKENS * config.hidden_size * config.intermediate_size / seconds for seconds in fastest)
