"""What a client keeps from one of its rounds to the next: named arrays, written with the run, whole or not at all."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from utils.machine.durable import whole_file

KEPT = 3  # rounds whose states stay: see `save`


class ClientStates:
    """The clients' states of a run, in `folder`: `client-K-round-R.safetensors`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, client: int, server_round: int) -> dict[str, np.ndarray]:
        """Return the client's arrays of its last round before this one; {} if there is none."""
        saved = self._saved(client)
        before = max((number for number in saved if number < server_round), default=None)
        return {} if before is None else load_file(saved[before])

    def save(self, client: int, server_round: int, arrays: dict[str, np.ndarray]) -> None:
        """Keep the client's `arrays` of this round for its next one. Raises OSError when the disk refuses.

        A client that is run again begins alike: when a round begins, the checkpoint of the one before it may still be
        in writing, and the last one on disk damaged, so the states that three rounds back began with stay.
        """
        self.folder.mkdir(exist_ok=True)
        with whole_file(self.folder / f"client-{client}-round-{server_round}.safetensors") as path:
            save_file(arrays, path)
        saved = self._saved(client)
        for number in sorted(number for number in saved if number < server_round)[:-KEPT]:
            saved[number].unlink()

    def _saved(self, client: int) -> dict[int, Path]:
        """Return {round: file} of the client's saved states."""
        files = self.folder.glob(f"client-{client}-round-*.safetensors")
        return {int(path.stem.rpartition("-")[2]): path for path in files}
