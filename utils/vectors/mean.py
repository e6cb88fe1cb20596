"""The weighted mean of many vectors, a few at a time: memory does not grow with the number of clients."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from utils.vectors.sums import GROUP, add
from utils.vectors.transport import Transport


@dataclass(frozen=True)
class Mean:
    """`arrays`: a message's arrays for the mean; None if there is no vector to take it of.

    `refused`: positions among those that came of the vectors that hold NaN or infinity. `drifts`: {position: L2
    distance of that vector from the mean} of the others, if they came in one group.
    """

    arrays: list[np.ndarray] | None
    refused: set[int]
    drifts: dict[int, float]


@dataclass(frozen=True)
class Summand:
    """One vector of a group: its position among all, its message's arrays, its weight."""

    position: int
    arrays: list[np.ndarray]
    weight: float


def weighted_mean(vectors: Iterator[tuple[list[np.ndarray], float] | None], most: int, transport: Transport, slot: str,
                  threads: int = 1) -> Mean:
    """Write Σ wₖ·vₖ / Σ wₖ (FedAvg; McMahan et al. 2017, algorithm 1) to buffer `slot`, float32 [n].

    `vectors` yields at most `most` of (a message's arrays, weight) in client order, None for one that has failed, and
    may take its time: each GROUP positions are added as soon as they are there, and never looked at again. Groups go by
    position, because the buffer of a position is used again once GROUP positions are behind it. Where a message has
    more vectors than one, each has its mean. The sums are float64 and made in the order given, so neither GROUP nor
    `threads` changes a bit. A group is added once more without the vectors that turn out not to be finite; so the sums
    before it are kept beside those with it.
    """
    mean = transport.buffer(slot)
    sums = Transport(transport.folder, transport.size, np.float64, transport.vectors)
    parts = [(part, number) for number in range(transport.vectors) for part in transport.windows()]
    so_far, total = None, 0.0
    refused: set[int] = set()
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, most + 1, GROUP):
            came = list(islice(vectors, GROUP))
            group = [Summand(first + k, *vector) for k, vector in enumerate(came) if vector is not None]
            last = first + GROUP >= most or len(came) < GROUP
            into = None if last else sums.buffer(f"sum-{first // GROUP % 2}")
            wrong = None
            while wrong is None or wrong:
                group = [one for one in group if one.position not in refused]
                weight = total + sum(one.weight for one in group)
                if last and not weight:
                    return Mean(None, refused, {})

                def add_part(part: tuple[slice, int]) -> tuple[set[int], list[float]]:
                    before = None if so_far is None else sums.window(so_far, *part)
                    out = transport.window(mean, *part) if into is None else sums.window(into, *part)
                    windows = [transport.window(one.arrays, *part) for one in group]
                    squares = add(windows, [one.weight for one in group], before, out, weight if last else 0)
                    if squares is not None:
                        return set(), squares
                    return {one.position for one, window in zip(group, windows) if not np.isfinite(window).all()}, []

                answers = list(pool.map(add_part, parts))
                wrong = set().union(*(positions for positions, _ in answers))
                refused |= wrong
            if last:
                break
            so_far, total = into, weight
    drifts = {}
    if so_far is None:
        of_models = [squares for (_, number), (_, squares) in zip(parts, answers) if number == 0]
        drifts = {one.position: math.sqrt(sum(squares)) for one, squares in zip(group, zip(*of_models))}
    return Mean(mean, refused, drifts)
