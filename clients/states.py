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
        """Return the client's arrays of a round; {} of round 0. Raises FileNotFoundError where they are gone."""
        return load_file(self._path(client, server_round)) if server_round else {}

    def save(self, client: int, server_round: int, last: int, arrays: dict[str, np.ndarray]) -> None:
        """Keep the client's `arrays` of this round for its next one. Raises OSError when the disk refuses.

        `last`: the round whose arrays it began with. Those in between go: their updates were left out.

        A client that is run again begins alike: when a round begins, the checkpoint of the one before it may still be
        in writing, and the last one on disk damaged, so the states that three rounds back began with stay.
        """
        self.folder.mkdir(exist_ok=True)
        with whole_file(self._path(client, server_round)) as path:
            save_file(arrays, path)
        before = sorted(number for number in self._saved(client) if number < server_round)
        kept = [number for number in before if number <= last][-KEPT:]
        for number in before:
            if number not in kept:
                self._path(client, number).unlink()

    def _path(self, client: int, server_round: int) -> Path:
        return self.folder / f"client-{client}-round-{server_round}.safetensors"

    def _saved(self, client: int) -> list[int]:
        """Return the rounds of the client's saved states."""
        return [int(path.stem.rpartition("-")[2]) for path in self.folder.glob(f"client-{client}-round-*.safetensors")]
