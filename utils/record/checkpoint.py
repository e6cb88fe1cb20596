"""The last rounds of a run on disk, which `--resume` goes on from.

`checkpoints/round-3.safetensors` holds the global vector after round 3, what a strategy keeps and, as metadata, that
round's record and a checksum of all. Two are kept: should the last one be damaged, the one before it serves.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from utils.clock import timed
from utils.console import NOTES
from utils.errors import in_short
from utils.machine.durable import whole_file
from utils.record.averaged_model import AveragedModel
from utils.record.runlog import CHECKPOINTS, CLIENT_STATES, RunLog

KEPT = 2


class Checkpoint(NamedTuple):
    """A run after a round: its `record`, the global vector and what the strategy keeps beside it, float32 [n] each."""

    record: dict
    vector: np.ndarray
    states: list[np.ndarray]


class CheckpointWriter:
    """Writes a checkpoint after each round, from the memory of `model`, while the next round's clients train."""

    def __init__(self, log: RunLog, model: AveragedModel) -> None:
        self.log, self.model = log, model

    def round(self, record: dict) -> None:
        """Begin to write; after round 0 nothing is lost yet. Raises OSError when the disk has refused the last one."""
        if not record["round"]:
            return
        with timed(record["seconds"], "checkpoint"):
            vector, states = self.model.read(record["round"]), self.model.vectors.read_states()
        self.model.lent = self.log.writer.submit(save_checkpoint, self.log.folder / CHECKPOINTS, record, vector, states)

    def remove(self) -> None:
        """Remove the checkpoints, and what clients keep from round to round: the run is finished."""
        for name in (CHECKPOINTS, CLIENT_STATES):
            shutil.rmtree(self.log.folder / name, ignore_errors=True)


def save_checkpoint(folder: Path, record: dict, vector: np.ndarray, states: Sequence[np.ndarray] = ()) -> None:
    """Write the checkpoint of `record["round"]`: whole or not at all, then remove all but the last KEPT.

    `vector`: float32 [n], the global vector after that round; `states`: likewise, what the strategy keeps.
    Raises OSError when the disk refuses.
    """
    folder.mkdir(exist_ok=True)
    text = json.dumps(record, allow_nan=False)
    with whole_file(folder / f"round-{record['round']}.safetensors") as path:
        save_file({"vector": vector, **{f"state-{k}": state for k, state in enumerate(states)}}, path,
                  {"record": text, "sha256": _checksum(text, vector, *states)})
    for old in sorted(_checkpoints(folder))[:-KEPT]:
        _checkpoints(folder)[old].unlink()


def last_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint that is whole, or None; say which are damaged."""
    for _, path in sorted(_checkpoints(folder).items(), reverse=True):
        try:
            with safe_open(path, "numpy") as file:
                about, vector = file.metadata(), file.get_tensor("vector")
                states = [file.get_tensor(f"state-{k}") for k in range(len(file.keys()) - 1)]
            if about["sha256"] == _checksum(about["record"], vector, *states):
                return Checkpoint(json.loads(about["record"]), vector, states)
            reason = "its checksum is another"
        except (SafetensorError, OSError, LookupError, TypeError, ValueError) as error:
            reason = in_short(error)
        NOTES.warning("checkpoint %s is damaged (%s): the one before it is used", path, reason)
    return None


def _checksum(record: str, *vectors: np.ndarray) -> str:
    """Return the sha256 of a record and its vectors, in hex."""
    digest = hashlib.sha256(record.encode())
    for vector in vectors:
        digest.update(np.ascontiguousarray(vector).data)
    return digest.hexdigest()


def _checkpoints(folder: Path) -> dict[int, Path]:
    """Return {round: file} of those in `folder`."""
    return {int(path.stem.rpartition("-")[2]): path for path in folder.glob("round-*.safetensors")}
