"""The weighted mean of many vectors, a few at a time: memory does not grow with the number of clients."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from utils.vectors.norms import compare
from utils.vectors.step import Step
from utils.vectors.sums import GROUP, add
from utils.vectors.transport import Transport

PIECE = 1 << 17  # elements of each vector that are copied at once: those of a few vectors stay in a core's caches


@dataclass(frozen=True)
class Mean:
    """`arrays`: a message's arrays for the mean; None if there is no vector to take it of.

    `refused`: positions among those that came of the vectors that hold NaN or infinity. `drifts`: {position: L2
    distance of that vector from the mean} of the others, if they came in one group. `plain`: a message's arrays for
    the mean of the first vectors by other weights, if that was asked for. `step`: from `before` to the mean, beside the
    one to the plain mean; None without `before`.
    """

    arrays: list[np.ndarray] | None
    refused: set[int]
    drifts: dict[int, float] = field(default_factory=dict)
    plain: list[np.ndarray] | None = None
    step: Step | None = None


@dataclass(frozen=True)
class Summand:
    """One vector of a group: its position among all, its message's arrays, its weight in each mean."""

    position: int
    arrays: list[np.ndarray]
    weights: tuple[float, ...]


def weighted_mean(vectors: Iterator[tuple[list[np.ndarray], tuple[float, ...]] | None], most: int, transport: Transport,
                  slot: str, threads: int = 1, before: list[np.ndarray] | None = None, plain: str = "") -> Mean:
    """Write Σ wₖ·vₖ / Σ wₖ (FedAvg; McMahan et al. 2017, algorithm 1) to buffer `slot`, float32 [n].

    `vectors` yields at most `most` of (a message's arrays, weights) in client order, None for one that has failed, and
    may take its time: each GROUP positions are added as soon as they are there, and never looked at again. Groups go by
    position, because the buffer of a position is used again once GROUP positions are behind it. Where a message has
    more vectors than one, each has its mean. The sums are float64 and made in the order given, so neither GROUP nor
    `threads` changes a bit. A group is added once more without the vectors that turn out not to be finite; so the sums
    before it are kept beside those with it.

    `plain` names the buffer of a second mean, of the first vectors by the second of their weights; "": there is one
    weight and one mean. `before` is the vector that the step to the mean is measured from.
    """
    mean, refused, so_far, totals = transport.buffer(slot), set[int](), None, (0.0,) * (2 if plain else 1)
    with ThreadPoolExecutor(threads) as pool:
        sums = Sums(transport, pool, before, plain)
        for first in range(0, most + 1, GROUP):
            came = list(islice(vectors, GROUP))
            group = [Summand(first + k, *vector) for k, vector in enumerate(came) if vector is not None]
            last = first + GROUP >= most or len(came) < GROUP
            out = mean if last else sums.transport.buffer(f"sum-{first // GROUP % 2}")
            while True:
                weights = tuple(map(sum, zip(totals, *(one.weights for one in group))))
                if last and not weights[0]:
                    return Mean(None, refused)
                wrong, squares, compared = sums.add(group, so_far, out, weights if last else ())
                if not wrong:
                    break
                refused |= wrong
                group = [one for one in group if one.position not in wrong]
            if last:
                break
            so_far, totals = out, weights
    drifts = {one.position: math.sqrt(square) for one, square in zip(group, squares)} if so_far is None else {}
    return Mean(mean, refused, drifts, sums.plain, None if before is None else Step(*compared.tolist()))


class Sums:
    """Adds groups of vectors that travel by `vectors`, window by window, on the threads of `pool`.

    `before`: what the step to the mean is measured from, if it is. `plain`: as in `weighted_mean`; then its arrays.
    `transport`: of sums, which are float64; after those of each vector the plain mean's.
    """

    def __init__(self, vectors: Transport, pool: ThreadPoolExecutor, before: list[np.ndarray] | None, plain: str
                 ) -> None:
        self.vectors, self.pool, self.before = vectors, pool, before
        self.single = Transport(vectors.folder, vectors.size)
        self.plain = self.single.buffer(plain) if plain else None
        self.transport = Transport(vectors.folder, vectors.size, np.float64, vectors.vectors + bool(plain))
        self.parts = [(part, number) for number in range(vectors.vectors) for part in vectors.windows()]

    def add(self, group: Sequence[Summand], before: list[np.ndarray] | None, out: list[np.ndarray],
            divisors: Sequence[float]) -> tuple[set[int], list[float], np.ndarray]:
        """Set `out` to `before` (None: 0) + the weighted sum of a group, divided by `divisors` unless there are none.

        `before` is a sum; so is `out`, but with divisors, one for each mean, it is a vector, and the plain mean goes to
        its own. Returns the positions of vectors that are not finite, with `out` of no use if there are any; and with
        divisors each first vector's squared distance from `out`, and the step, as `norms.compare` has it.
        """
        def add_part(part: tuple[slice, int]) -> tuple[set[int], np.ndarray, np.ndarray]:
            (window, number), wrong, compared = part, set[int](), np.zeros(3)
            means = 2 if self.plain and not number else 1
            squares, length = np.zeros(len(group)), min(PIECE, window.stop - window.start)
            rooms, sums = np.empty((len(group) + 1, length), np.float32), np.empty(length)
            new = np.empty((means, length), np.float32 if divisors else np.float64)
            places = [number, self.vectors.vectors][:means]  # of the sums of each mean
            with ExitStack() as files:
                summands = [files.enter_context(self.vectors.opened(one.arrays, number)) for one in group]
                earlier = [files.enter_context(self.transport.opened(before, place)) for place in places
                           if before is not None]
                if divisors:
                    targets = [(self.vectors, out, number), (self.single, self.plain, 0)][:means]
                else:
                    targets = [(self.transport, out, place) for place in places]
                results = [files.enter_context(transport.opened(arrays or [], which))
                           for transport, arrays, which in targets]
                begin = None
                if divisors and self.before is not None and not number:
                    begin = files.enter_context(self.single.opened(self.before))
                for start in range(window.start, window.stop, PIECE):
                    size = min(PIECE, window.stop - start)
                    *pieces, old = (room[:size] for room in rooms)
                    for summand, piece in zip(summands, pieces):
                        summand.read(start, piece)
                    finite = True
                    for which in range(means):
                        if earlier:
                            earlier[which].read(start, sums[:size])
                        finite &= add(pieces, [one.weights[which] for one in group], sums[:size] if earlier else None,
                                      new[which, :size], divisors[which] if divisors else 0,
                                      np.empty(0) if which else squares)
                    if not finite:
                        wrong |= {one.position for one, piece in zip(group, pieces) if not np.isfinite(piece).all()}
                        continue
                    for result, values in zip(results, new):
                        result.write(start, values[:size])
                    if begin:
                        begin.read(start, old)
                        compared += compare(old, new[-1, :size], new[0, :size])
            return wrong, squares, compared

        answers = list(self.pool.map(add_part, self.parts))
        wrong = set[int]().union(*(positions for positions, _, _ in answers))
        of_models = [answer for (_, number), answer in zip(self.parts, answers) if number == 0]
        squares = [sum(of_one) for of_one in zip(*(squares.tolist() for _, squares, _ in of_models))]
        return wrong, [] if wrong else squares, sum((compared for *_, compared in of_models), np.zeros(3))
