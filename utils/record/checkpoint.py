"""The last rounds of a run on disk, which `--resume` goes on from.

`checkpoints/round-3.safetensors` holds the global vector after round 3, what a server optimizer keeps and, as metadata,
that round's record and a checksum of all. Two are kept: should the last one be damaged, the one before it serves.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from utils.console import NOTES
from utils.errors import in_short
from utils.machine.durable import whole_file

KEPT = 2


def save_checkpoint(folder: Path, record: dict, vector: np.ndarray, states: Sequence[np.ndarray] = ()) -> None:
    """Write the checkpoint of `record["round"]`: whole or not at all, then remove all but the last KEPT.

    `vector`: float32 [n], the global vector after that round; `states`: likewise, those of the server optimizer.
    Raises OSError when the disk refuses.
    """
    folder.mkdir(exist_ok=True)
    text = json.dumps(record, allow_nan=False)
    with whole_file(folder / f"round-{record['round']}.safetensors") as path:
        save_file({"vector": vector, **{f"state-{k}": state for k, state in enumerate(states)}}, path,
                  {"record": text, "sha256": _checksum(text, vector, *states)})
    for old in sorted(_checkpoints(folder))[:-KEPT]:
        _checkpoints(folder)[old].unlink()


def last_checkpoint(folder: Path) -> tuple[dict, np.ndarray, list[np.ndarray]] | None:
    """Return (record, vector, states) of the newest checkpoint that is whole, or None; say which are damaged."""
    for _, path in sorted(_checkpoints(folder).items(), reverse=True):
        try:
            with safe_open(path, "numpy") as file:
                told, vector = file.metadata(), file.get_tensor("vector")
                states = [file.get_tensor(f"state-{k}") for k in range(len(file.keys()) - 1)]
            if told["sha256"] == _checksum(told["record"], vector, *states):
                return json.loads(told["record"]), vector, states
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
