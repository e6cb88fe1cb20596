"""How a vector travels between the strategy and a client: by reference on one machine, or in the message.

By reference, the message holds a handle: a few bytes naming a memory-mapped buffer in the run's scratch
folder. In the message, it holds the vector itself, for clients that share no disk. The bits are the same.

The buffers are few and used again and again. A worker keeps its maps of them, because touching a page for the
first time costs more than copying it; the driver maps a window at a time, because it sees every client's. The
kernel is asked for all pages of a map at once, which is five times as fast as one by one when they are met.
"""

import mmap
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

WINDOW = 1 << 20  # elements


class Transport:
    """Moves vectors of `size` elements (float32 unless said otherwise), so many `vectors` in each message.

    `folder` holds the buffers; "" means that vectors travel inside the messages. Maps of `few` buffers are kept.
    """

    def __init__(self, folder: str, size: int, dtype: type = np.float32, vectors: int = 1, few: bool = True) -> None:
        self.folder = folder
        self.size = size
        self.dtype = np.dtype(dtype)
        self.vectors = vectors
        self.few = few
        self._maps: dict[str, np.ndarray] = {}

    def send(self, slot: str, *vectors: np.ndarray) -> list[np.ndarray]:
        """Return the arrays of a message that stand for `vectors`; by reference they are copied to buffer `slot`."""
        if not self.folder:
            return [*vectors]
        arrays = self.buffer(slot)
        memory = self._kept(slot) if self.few else self._map(slot, 0, self.vectors * self.size)
        for number, vector in enumerate(vectors):
            memory[number * self.size:(number + 1) * self.size] = vector
        return arrays

    def receive(self, arrays: list[np.ndarray]) -> np.ndarray:
        """Return the first vector of a message, to be read at once: its buffer will be used again."""
        return self._kept(slot_of(arrays))[:self.size] if self.folder else arrays[0]

    def buffer(self, slot: str) -> list[np.ndarray]:
        """Return the arrays of a message that stand for the buffer `slot`; a new one is for `window` to fill."""
        if not self.folder:
            return [np.empty(self.size, self.dtype) for _ in range(self.vectors)]
        with self._path(slot).open("ab") as file:  # a buffer that is there already stays as it is
            file.truncate(self.vectors * self.size * self.dtype.itemsize)
        return [np.frombuffer(slot.encode(), np.uint8)]

    def window(self, arrays: list[np.ndarray], part: slice, number: int = 0) -> np.ndarray:
        """Return a writable view of elements `part` of a message's vector `number`, mapped for as long as it lives."""
        if not self.folder:
            return arrays[number][part]
        start = number * self.size
        return self._map(slot_of(arrays), start + part.start, start + part.stop)

    def fault(self, arrays: list[np.ndarray]) -> str:
        """Return what keeps a message's arrays from being a vector, whatever its numbers; "" when nothing does."""
        wanted = 1 if self.folder else self.vectors
        if len(arrays) != wanted:
            return f"it has {len(arrays)} array(s), not {wanted}"
        for array in () if self.folder else arrays:
            if (array.shape, array.dtype) != ((self.size,), self.dtype):
                return f"it is {array.dtype} {list(array.shape)}, not {self.dtype} [{self.size}]"
        return ""

    def windows(self) -> Iterator[slice]:
        """Yield the parts that make up a vector."""
        for start in range(0, self.size, WINDOW):
            yield slice(start, min(start + WINDOW, self.size))

    def _kept(self, slot: str) -> np.ndarray:
        if slot not in self._maps:
            self._maps[slot] = self._map(slot, 0, self.vectors * self.size)
        return self._maps[slot]

    def _map(self, slot: str, start: int, stop: int) -> np.ndarray:
        """Map elements `start` to `stop` of a buffer. Raises ValueError if it is shorter."""
        nbytes = self.dtype.itemsize
        before = start % (mmap.ALLOCATIONGRANULARITY // nbytes)  # a map begins with a page
        with self._path(slot).open("r+b") as file:
            at_once = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)  # Linux has it
            memory = mmap.mmap(file.fileno(), (stop - start + before) * nbytes, at_once,
                               offset=(start - before) * nbytes)
        return np.frombuffer(memory, self.dtype)[before:]

    def _path(self, slot: str) -> Path:
        if not re.fullmatch(r"[a-z]+-\d+", slot):  # a handle must not name a file elsewhere
            raise ValueError(f"not a buffer's name: {slot!r}")
        return Path(self.folder) / f"{slot}.{self.dtype.name}"


def slot_of(arrays: list[np.ndarray]) -> str:
    """Return the name in a handle."""
    return arrays[0].tobytes().decode()
