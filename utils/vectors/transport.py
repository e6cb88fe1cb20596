"""How a vector travels between the strategy and a client: by reference on one machine, or in the message.

By reference, the message holds a handle: a few bytes naming a memory-mapped buffer in the run's scratch
folder. In the message, it holds the vector itself, for clients that share no disk. The bits are the same.

The buffers are few and used again and again. A worker keeps its maps of them, because touching a page for the
first time costs more than copying it; the driver, which sees every client's, maps them for a merge that needs them
all, or copies parts into its own memory and back (`opened`), which takes half as long. The kernel is asked for all
pages of a map at once, which is five times as fast as one by one when they are met.
"""

import errno
import gc
import mmap
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
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
        """Return the first vector of a message, to be read at once: its buffer will be used again.

        Flower's messages are in cycles with themselves, so the memory of the last one's vectors is collected here.
        """
        if self.folder:
            return self._kept(slot_of(arrays))[:self.size]
        gc.collect()
        return arrays[0]

    def buffer(self, slot: str) -> list[np.ndarray]:
        """Return the arrays of a message that stand for the buffer `slot`; a new one is for `window` to fill."""
        if not self.folder:
            return [np.empty(self.size, self.dtype) for _ in range(self.vectors)]
        with self._path(slot).open("ab") as file:  # a buffer that is there already stays as it is
            file.truncate(self.vectors * self.size * self.dtype.itemsize)
        return [np.frombuffer(slot.encode(), np.uint8)]

    def views(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Return writable views of all vectors of a message, mapped for as long as they live."""
        if not self.folder:
            return arrays
        return [*self._map(slot_of(arrays), 0, self.vectors * self.size).reshape(self.vectors, self.size)]

    def window(self, arrays: list[np.ndarray], part: slice, number: int = 0) -> np.ndarray:
        """Return a writable view of elements `part` of a message's vector `number`, mapped for as long as it lives."""
        if not self.folder:
            return arrays[number][part]
        start = number * self.size
        return self._map(slot_of(arrays), start + part.start, start + part.stop)

    @contextmanager
    def opened(self, arrays: list[np.ndarray], number: int = 0) -> Iterator["Elements"]:
        """Yield the elements of a message's vector `number`, to be copied in parts."""
        if not self.folder:
            yield Elements(self.dtype, arrays[number])
            return
        with FileIO(self._path(slot_of(arrays)), "r+") as file:
            yield Elements(self.dtype, None, file, number * self.size)

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


class Elements:
    """A vector of `dtype` that is an `array` of a message, or lies in a `file` after `first` elements."""

    def __init__(self, dtype: np.dtype, array: np.ndarray | None, file: FileIO | None = None, first: int = 0) -> None:
        self.dtype, self.array, self.file, self.first = dtype, array, file, first

    def read(self, start: int, out: np.ndarray) -> None:
        """Copy the elements from `start` on to `out`, of their dtype. Raises ValueError if there are too few."""
        if self.array is not None:
            out[:] = self.array[start:start + len(out)]
        elif out.dtype != self.dtype or self._at(start).readinto(out.data) != out.nbytes:
            raise ValueError(f"no {len(out)} elements of {out.dtype} from {start} on")

    def write(self, start: int, values: np.ndarray) -> None:
        """Copy `values` to the elements from `start` on. Raises OSError when there is no room."""
        values = np.ascontiguousarray(values, self.dtype)
        if self.array is not None:
            self.array[start:start + len(values)] = values
        elif self._at(start).write(values.data) != values.nbytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _at(self, start: int) -> FileIO:
        assert self.file is not None
        self.file.seek((self.first + start) * self.dtype.itemsize)
        return self.file


def slot_of(arrays: list[np.ndarray]) -> str:
    """Return the name in a handle."""
    return arrays[0].tobytes().decode()
