"""The parameters of a model that no client trains: not in its vector, and once in memory for a machine's workers.

The driver writes them to a file, of which each process maps its own copy on write: pages that are only read are shared.
"""

from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from utils.vectors.layout import Layout
from utils.vectors.parameters import aligned_size, placed


class FrozenWeights:
    """The parameters of `model` that require no gradient (tied weights once), float32 on the CPU.

    `layout`: each one's place in the file, as in a vector. They must not change from now on.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        named = [(name, p) for name, p in model.named_parameters() if not p.requires_grad]
        self.parameters = [p for _, p in named]
        self.layout = Layout(sum(map(aligned_size, self.parameters)), tuple(placed(named)))

    @property
    def nbytes(self) -> int:
        """Bytes of the file."""
        return 4 * self.layout.size

    @property
    def n_parameters(self) -> int:
        """The number of parameters."""
        return sum(p.numel() for p in self.parameters)

    @cached_property
    def fingerprint(self) -> str:
        """The sha256, in hex, of their names, shapes and values; "" if there are none."""
        digest = sha256()
        for p, place in zip(self.parameters, self.layout.places):
            digest.update(f"{place.name} {place.shape}".encode())
            digest.update(p.detach().contiguous().numpy().data)
        return digest.hexdigest() if self.parameters else ""

    def share(self, path: Path) -> None:
        """Write them to `path`, and have them there from now on. Raises OSError when the disk refuses."""
        if not self.parameters:
            return
        with path.open("wb") as file:
            for p, place in zip(self.parameters, self.layout.places):
                file.seek(4 * place.part.start)
                file.write(p.detach().contiguous().numpy().data)
            file.truncate(self.nbytes)
        self.map(path)

    def map(self, path: Path) -> None:
        """Take the values in `path`, which `share` of another process has written; it may be unlinked then.

        Raises ValueError if it is shorter.
        """
        if self.parameters:
            self._lie_in(torch.from_numpy(np.memmap(path, np.float32, "c", shape=(self.layout.size,))))

    def align(self) -> None:
        """Move the values to lines of their own, as in the file: products of unaligned ones have other last bits."""
        values = torch.zeros(self.layout.size)
        for p, place in zip(self.parameters, self.layout.places):
            values[place.part] = p.detach().reshape(-1)
        self._lie_in(values)

    def _lie_in(self, values: torch.Tensor) -> None:
        for p, place in zip(self.parameters, self.layout.places):
            p.data = values[place.part].view(place.shape)
