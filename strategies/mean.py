"""The weighted mean of many vectors, a few at a time: memory does not grow with the number of clients."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from utils.transport import Transport

GROUP = 8  # vectors added in one pass over the sums
AT_ONCE = 1 << 15  # elements: their sums and terms stay in a core's own cache


def weighted_mean(vectors: Iterator[tuple[list[np.ndarray], int]], most: int, transport: Transport, slot: str,
                  threads: int = 1) -> list[np.ndarray]:
    """Return a message's arrays for Σ wₖ·vₖ / Σ wₖ (FedAvg; McMahan et al. 2017, algorithm 1), in buffer `slot`.

    `vectors` yields at least one and at `most` so many of (a message's arrays, weight) in client order, and may take
    its time: GROUP of them are added as soon as they are there, and never looked at again. The sums are float64 and
    made in the order given, so neither GROUP nor `threads` changes a bit.
    """
    mean = transport.buffer(slot)
    sums = Transport(transport.folder, transport.size, np.float64)
    so_far = sums.buffer("sum-0") if most > GROUP else None
    total, first, last = 0, 0, False
    with ThreadPoolExecutor(threads) as pool:
        while not last:
            group = list(islice(vectors, GROUP))
            total += sum(weight for _, weight in group)
            last = first + GROUP >= most or len(group) < GROUP

            def add(part: slice) -> None:
                windows = [(transport.window(arrays, part), weight) for arrays, weight in group]
                before = None if first == 0 else sums.window(so_far, part)
                out = transport.window(mean, part) if last else sums.window(so_far, part)
                for start in range(0, part.stop - part.start, AT_ONCE):
                    some = slice(start, start + AT_ONCE)
                    total_so_far = np.zeros(len(out[some])) if before is None else before[some]
                    for window, weight in windows:
                        term = window[some].astype(np.float64)
                        term *= weight  # exact: 24 bits times a number of rows
                        total_so_far += term
                    np.copyto(out[some], total_so_far / total if last else total_so_far)

            list(pool.map(add, transport.windows()))
            first += GROUP
    return mean
