"""What a method makes of a round's updates, a window at a time: of all of them at once, or of their mean."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np

from strategies import Round, Strategy
from utils.vectors.mean import PIECE, Mean
from utils.vectors.norms import compare, squared_distance
from utils.vectors.step import Step
from utils.vectors.sums import mean_of
from utils.vectors.transport import WINDOW, Transport

T = TypeVar("T")
AT_ONCE = 1 << 30  # bytes of all updates' windows; a merge may copy them once or twice


class Vectors(Protocol):
    """What a merge reads and writes, each a window at a time; threads ask for windows side by side."""

    @property
    def nbytes(self) -> int:
        """What an element of all updates takes."""

    def before(self, part: slice) -> np.ndarray:
        """Return elements `part` of the vector that the updates are of, float32 [part]."""

    def kept(self, part: slice) -> list[np.ndarray]:
        """Return those of the method's own vectors, float32 [part] each, to be changed in place."""

    def clients(self, part: slice) -> list[Any]:
        """Return each update's elements `part`: float32 [part], or a tuple of those of all its vectors."""

    def write(self, part: slice, new: np.ndarray) -> np.ndarray:
        """Take elements `part` of the merged vector; return them as they are kept, float32 [part]."""

    def written(self, part: slice) -> np.ndarray:
        """Return elements `part` of the merged vector, float32 [part]."""


@dataclass(frozen=True)
class Merged:
    """What came of a merge: each update's L2 `drifts` from the merged vector, and the step that it has made."""

    drifts: list[float]
    step: Step


@dataclass(frozen=True)
class Updates:
    """The finite updates of a round: each participant's `vectors`, mapped once, and how those of the server travel.

    `held`: the arrays of the global vector that the round began with, then of the method's own; `out`: of the new one.
    """

    vectors: Sequence[list[np.ndarray]]
    held: Sequence[list[np.ndarray]]
    out: list[np.ndarray]
    transport: Transport

    @property
    def nbytes(self) -> int:
        """What an element of all updates takes."""
        return 4 * self.transport.vectors * len(self.vectors)

    def before(self, part: slice) -> np.ndarray:
        """Return elements `part` of the global vector."""
        return self.transport.window(self.held[0], part)

    def kept(self, part: slice) -> list[np.ndarray]:
        """Return those of the method's own vectors, in their buffers."""
        return [self.transport.window(arrays, part) for arrays in self.held[1:]]

    def clients(self, part: slice) -> list[Any]:
        """Return each participant's elements `part`."""
        return [tuple(vector[part] for vector in of_one) if len(of_one) > 1 else of_one[0][part]
                for of_one in self.vectors]

    def write(self, part: slice, new: np.ndarray) -> np.ndarray:
        """Write elements `part` of the new global vector to its buffer."""
        window = self.written(part)
        window[:] = new
        return window

    def written(self, part: slice) -> np.ndarray:
        """Return elements `part` of the new global vector, in its buffer."""
        return self.transport.window(self.out, part)


def merged(method: Strategy, this: Round, vectors: Vectors, threads: int = 1, match_norm: bool = False,
           size: int = WINDOW) -> Merged:
    """Have `method` merge the updates of `vectors`, after as many looks at them as it asks for, or step to their mean.

    `size`: elements of a window, as in `windows_of`. With `match_norm` the step is then rescaled to the length of the
    mean's. A window of all updates is in memory for each thread: at most `threads`, and fewer where those windows would
    take more than AT_ONCE. Sums over windows are made in window order, so `threads` changes no bit.
    """
    seen: list[np.ndarray] = []
    rows = [participant.rows for participant in this.participants]

    def look(part: slice) -> np.ndarray | tuple[slice, np.ndarray]:
        return method.look(len(seen), this, part, vectors.before(part), vectors.clients(part), seen)

    def merge(part: slice) -> tuple[np.ndarray, list[float]]:
        clients, before, kept = vectors.clients(part), vectors.before(part), vectors.kept(part)
        if method.streams:
            means = tuple(mean_of(of_one, this.weights) for of_one in zip(*map(vectors_of, clients)))
            method.step(this, part, before, means if len(means) > 1 else means[0], kept)
            made = means[0]
        else:
            made = method.merge(this, part, before, clients, seen, kept)
        new = vectors.write(part, made)
        models = models_of(clients)
        return compare(before, mean_of(models, rows), new), [squared_distance(model, new) for model in models]

    def distances(part: slice) -> list[float]:
        return [squared_distance(model, vectors.written(part)) for model in models_of(vectors.clients(part))]

    windows = windows_of(method, size)
    most = vectors.nbytes * max(part.stop - part.start for part in windows)
    at_work = max(1, min(threads, AT_ONCE // most))
    with products_of(method), threads_of(at_work) as pool:
        for _ in range(method.looks):
            seen.append(seen_by(in_turn(pool, look, windows, 2 * at_work), len(method.layout.places)))
        compared, squares = zip(*pool.map(merge, windows))
        step = Step(*sum_of(compared).tolist())
        if match_norm:
            step = rescaled(step, vectors, windows, pool)
            squares = tuple(pool.map(distances, windows))
    return Merged([math.sqrt(sum(of_one)) for of_one in zip(*squares)], step)


def rescaled(step: Step, vectors: Vectors, windows: Sequence[slice], pool: ThreadPoolExecutor) -> Step:
    """Make a step that is written as long as the mean's: before + s · (merged − before). Return what it is then."""
    def rescale(part: slice) -> None:
        before, new = vectors.before(part), vectors.written(part)
        vectors.write(part, before + step.to_match * (new - before.astype(np.float64)))

    for _ in pool.map(rescale, windows):
        pass
    return step.times(step.to_match)


def vectors_of(client: Any) -> tuple[np.ndarray, ...]:
    """Return all vectors of one of the clients whose windows `merge` gets."""
    return client if isinstance(client, tuple) else (client,)


def models_of(clients: Sequence[Any]) -> list[np.ndarray]:
    """Return the first vector of each of the `clients`, whose windows `merge` gets."""
    return [vectors_of(client)[0] for client in clients]


def stepped(method: Strategy, this: Round, mean: Mean, vectors: Updates, threads: int = 1, match_norm: bool = False
            ) -> Step:
    """Have `method` turn the `mean` of a round's updates, in the `out` of `vectors`, into the new global vector there.

    With `match_norm` the step is then rescaled to the length of the mean's. `threads` changes no bit.
    """
    transport = vectors.transport

    def one_step(part: slice) -> np.ndarray:
        before, kept = vectors.before(part), vectors.kept(part)
        means = [transport.window(vectors.out, part, number) for number in range(transport.vectors)]
        plain = None if mean.plain is None else transport.window(mean.plain, part)
        compared = np.zeros(3)
        for window, here in pieces_of(method, part):
            new, *others = (each[here] for each in means)
            beside = new.copy() if plain is None else plain[here]
            method.step(this, window, before[here], (new, *others) if others else new, [own[here] for own in kept])
            compared += compare(before[here], beside, new)
        return compared

    windows = windows_of(method)
    with products_of(method), threads_of(threads) as pool:
        step = mean.step or Step(*sum_of(pool.map(one_step, windows)).tolist())
        return rescaled(step, vectors, windows, pool) if match_norm else step


def windows_of(method: Strategy, size: int = WINDOW) -> list[slice]:
    """Return the windows in which `method` gets vectors: of `size` elements, or longer where it needs whole tensors."""
    layout = method.layout
    if method.whole:
        return list(layout.whole(method.unit, size))
    return [slice(start, min(start + size, layout.size)) for start in range(0, layout.size, size)]


def products_of(method: Strategy) -> AbstractContextManager:
    """Keep products of whole matrices to the thread that makes them: windows have threads, and no bit hangs on more."""
    if not method.whole:
        return nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "blas")


def threads_of(number: int) -> ThreadPoolExecutor:
    """Return so many threads, where a number that is too large becomes infinity without NumPy's warning.

    What is not finite is found where it is written, or read, and said in a line.
    """
    return ThreadPoolExecutor(number, initializer=partial(np.seterr, all="ignore"))


def pieces_of(method: Strategy, part: slice) -> Iterator[tuple[slice, slice]]:
    """Yield the pieces of a window that `method` steps on, and where each is in it: arithmetic on them stays in caches.
    """
    size = part.stop - part.start
    length = size if method.whole else PIECE
    for start in range(0, size, length):
        stop = min(start + length, size)
        yield slice(part.start + start, part.start + stop), slice(start, stop)


def in_turn(pool: ThreadPoolExecutor, function: Callable[[slice], T], windows: Iterable[slice], most: int
            ) -> Iterator[T]:
    """Yield what `function` returns of each window, in order; `most` at a time are begun, or wait to be taken."""
    begun: deque[Future[T]] = deque()
    for part in windows:
        if len(begun) == most:
            yield begun.popleft().result()
        begun.append(pool.submit(function, part))
    while begun:
        yield begun.popleft().result()


def seen_by(looks: Iterable[np.ndarray | tuple[slice, np.ndarray]], tensors: int) -> np.ndarray:
    """Return the sums of what `Strategy.look` returns of each window, as float64; of a row for each of so many tensors.
    """
    total: np.ndarray | None = None
    for found in looks:
        numbers, sums = found if isinstance(found, tuple) else (slice(None), found)
        if total is None:
            total = np.zeros((tensors, *sums.shape[1:]) if isinstance(found, tuple) else sums.shape)
        total[numbers] += sums
    assert total is not None
    return total


def sum_of(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """Return the sum of arrays of one shape, added in order, as float64."""
    total: np.ndarray | None = None
    for array in arrays:
        total = np.array(array, np.float64) if total is None else np.add(total, array, out=total)
    assert total is not None
    return total


def is_finite(vectors: Iterable[np.ndarray], transport: Transport) -> bool:
    """Return whether every number of an update's vectors is finite."""
    return all(np.isfinite(vector[part]).all() for vector in vectors for part in transport.windows())
