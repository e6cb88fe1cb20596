"""The weighted mean of many vectors, a few at a time: memory does not grow with the number of clients."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

import numpy as np

from utils.vectors.sums import GROUP, add
from utils.vectors.transport import Transport

PIECE = 1 << 17  # elements of each vector that are copied at once: those of a few vectors stay in a core's caches


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
    mean, refused, so_far, total = transport.buffer(slot), set[int](), None, 0.0
    with ThreadPoolExecutor(threads) as pool:
        sums = Sums(transport, pool)
        for first in range(0, most + 1, GROUP):
            came = list(islice(vectors, GROUP))
            group = [Summand(first + k, *vector) for k, vector in enumerate(came) if vector is not None]
            last = first + GROUP >= most or len(came) < GROUP
            out = mean if last else sums.transport.buffer(f"sum-{first // GROUP % 2}")
            while True:
                weight = total + sum(one.weight for one in group)
                if last and not weight:
                    return Mean(None, refused, {})
                wrong, squares = sums.add(group, so_far, out, weight if last else 0)
                if not wrong:
                    break
                refused |= wrong
                group = [one for one in group if one.position not in wrong]
            if last:
                break
            so_far, total = out, weight
    if so_far is not None:
        return Mean(mean, refused, {})
    return Mean(mean, refused, {one.position: math.sqrt(square) for one, square in zip(group, squares)})


class Sums:
    """Adds groups of vectors that travel by `vectors`, window by window, on the threads of `pool`.

    `transport`: of sums, which are float64.
    """

    def __init__(self, vectors: Transport, pool: ThreadPoolExecutor) -> None:
        self.vectors, self.pool = vectors, pool
        self.transport = Transport(vectors.folder, vectors.size, np.float64, vectors.vectors)
        self.parts = [(part, number) for number in range(vectors.vectors) for part in vectors.windows()]

    def add(self, group: Sequence[Summand], before: list[np.ndarray] | None, out: list[np.ndarray], divisor: float
            ) -> tuple[set[int], list[float]]:
        """Set `out` to `before` (None: 0) + the weighted sum of a group, divided by `divisor` unless that is 0.

        `before` is a sum; so is `out`, but with a divisor it is a vector. Returns the positions of vectors that are not
        finite, with `out` of no use if there are any, and each first vector's squared distance from `out` (with a
        divisor).
        """
        def add_part(part: tuple[slice, int]) -> tuple[set[int], list[float]]:
            (window, number), wrong, squares = part, set[int](), np.zeros(len(group))
            target, weights = self.vectors if divisor else self.transport, [one.weight for one in group]
            length = min(PIECE, window.stop - window.start)
            rooms, sums = np.empty((len(group), length), np.float32), np.empty(length)
            new = np.empty(length, target.dtype)
            with ExitStack() as files:
                summands = [files.enter_context(self.vectors.opened(one.arrays, number)) for one in group]
                earlier = None if before is None else files.enter_context(self.transport.opened(before, number))
                result = files.enter_context(target.opened(out, number))
                for start in range(window.start, window.stop, PIECE):
                    size = min(PIECE, window.stop - start)
                    pieces = [room[:size] for room in rooms]
                    for summand, piece in zip(summands, pieces):
                        summand.read(start, piece)
                    if earlier:
                        earlier.read(start, sums[:size])
                    if add(pieces, weights, sums[:size] if earlier else None, new[:size], divisor, squares):
                        result.write(start, new[:size])
                    else:
                        wrong |= {one.position for one, piece in zip(group, pieces) if not np.isfinite(piece).all()}
            return wrong, squares.tolist()

        answers = list(self.pool.map(add_part, self.parts))
        wrong = set().union(*(positions for positions, _ in answers))
        of_models = [squares for (_, number), (_, squares) in zip(self.parts, answers) if number == 0]
        return wrong, [] if wrong else [sum(of_one) for of_one in zip(*of_models)]
