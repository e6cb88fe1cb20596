"""How a vector travels between the strategy and a client: by reference on one machine, or in the message.

By reference, the message holds a handle: a few bytes naming a memory-mapped buffer in the run's scratch
folder. In the message, it holds the vector itself, for clients that share no disk. The bits are the same.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MEMORY = Path("/dev/shm")


def scratch_base(vector_size: int, n_clients: int) -> str | None:
    """Return where a run's scratch folder goes: shared memory if its buffers fit, else None (the default, a disk).

    There is a buffer for each client and two for the global vector. Space is checked beforehand because a
    mapped file that meets a full file system kills the process that writes to it.
    """
    needed = 4 * vector_size * (n_clients + 2)
    fits = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2 * needed
    return str(MEMORY) if fits else None


@dataclass(frozen=True)
class Transport:
    """`folder` holds the buffers; an empty `folder` means vectors travel inside the messages."""

    folder: str

    def buffer(self, slot: str, size: int) -> np.ndarray:
        """Return float32 [size] for the sender to fill: the buffer named `slot`, made or used again."""
        if not self.folder:
            return np.empty(size, np.float32)
        path = self._path(slot)
        reusable = path.exists() and path.stat().st_size == 4 * size
        return np.memmap(path, np.float32, mode="r+" if reusable else "w+", shape=(size,))

    def pack(self, slot: str, vector: np.ndarray) -> list[np.ndarray]:
        """Return a message's arrays for `vector`, which fills the buffer `slot`."""
        return [np.frombuffer(slot.encode(), np.uint8)] if self.folder else [vector]

    def unpack(self, arrays: list[np.ndarray]) -> np.ndarray:
        """Return the float32 [n] vector of a message; what is written to it reaches nobody else."""
        if not self.folder:
            return arrays[0]
        return np.memmap(self._path(arrays[0].tobytes().decode()), np.float32, mode="c")

    def _path(self, slot: str) -> Path:
        if not re.fullmatch(r"[a-z]+-\d+", slot):  # a handle must not name a file elsewhere
            raise ValueError(f"not a buffer's name: {slot!r}")
        return Path(self.folder) / f"{slot}.f32"
