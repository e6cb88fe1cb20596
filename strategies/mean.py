"""The weighted mean of many vectors, a few at a time: memory does not grow with the number of clients."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from utils.transport import Transport

GROUP = 8  # vectors added in one pass over the sums


def weighted_mean(vectors: Iterator[tuple[list[np.ndarray], int]], n: int, transport: Transport, slot: str,
                  threads: int = 1) -> list[np.ndarray]:
    """Return a message's arrays for Σ wₖ·vₖ / Σ wₖ (FedAvg; McMahan et al. 2017, algorithm 1), in buffer `slot`.

    `vectors` yields `n` of (a message's arrays, weight) in client order, and may take its time: GROUP of them are
    added as soon as they are there, and never looked at again. The sums are float64 and made in the order given,
    so neither GROUP nor `threads` changes a bit.
    """
    mean = transport.buffer(slot)
    sums = Transport(transport.folder, transport.size, np.float64)
    so_far = sums.buffer("sum-0") if n > GROUP else None
    total = 0
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, n, GROUP):
            group = list(islice(vectors, GROUP))
            total += sum(weight for _, weight in group)

            def add(part: slice) -> None:
                acc = np.zeros(part.stop - part.start) if first == 0 else sums.window(so_far, part)
                term = np.empty_like(acc)
                for arrays, weight in group:
                    np.copyto(term, transport.window(arrays, part))
                    term *= weight  # exact in float64: 24 bits times a number of rows
                    acc += term
                if first + GROUP >= n:
                    transport.window(mean, part)[:] = acc / total
                elif first == 0:
                    sums.window(so_far, part)[:] = acc

            list(pool.map(add, transport.windows()))
    return mean
