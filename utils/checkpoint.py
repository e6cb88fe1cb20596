"""The last rounds of a run on disk, which `--resume` goes on from.

`checkpoints/round-3.safetensors` holds the global vector after round 3 and, as metadata, that round's record and a
checksum of both. Two are kept: should the last one be damaged, the one before it serves.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from utils.console import NOTES
from utils.durable import whole_file

KEPT = 2


def save_checkpoint(folder: Path, record: dict, vector: np.ndarray) -> None:
    """Write the checkpoint of `record["round"]`: whole or not at all, then remove all but the last KEPT.

    `vector`: float32 [n], the global vector after that round. Raises OSError when the disk refuses.
    """
    folder.mkdir(exist_ok=True)
    text = json.dumps(record, allow_nan=False)
    with whole_file(folder / f"round-{record['round']}.safetensors") as path:
        save_file({"vector": vector}, path, {"record": text, "sha256": _checksum(text, vector)})
    for old in sorted(_checkpoints(folder))[:-KEPT]:
        _checkpoints(folder)[old].unlink()


def last_checkpoint(folder: Path) -> tuple[dict, np.ndarray] | None:
    """Return (record, vector) of the newest checkpoint that is whole, or None; say which are damaged."""
    for _, path in sorted(_checkpoints(folder).items(), reverse=True):
        try:
            with safe_open(path, "numpy") as file:
                told, vector = file.metadata(), file.get_tensor("vector")
            if told["sha256"] == _checksum(told["record"], vector):
                return json.loads(told["record"]), vector
            reason = "its checksum is another"
        except (SafetensorError, OSError, LookupError, TypeError, ValueError) as error:
            reason = str(error).splitlines()[0]
        NOTES.warning("checkpoint %s is damaged (%s): the one before it is used", path, reason)
    return None


def _checksum(record: str, vector: np.ndarray) -> str:
    """Return the sha256 of a record and its vector, in hex."""
    digest = hashlib.sha256(record.encode())
    digest.update(np.ascontiguousarray(vector))
    return digest.hexdigest()


def _checkpoints(folder: Path) -> dict[int, Path]:
    """Return {round: file} of those in `folder`."""
    return {int(path.stem.rpartition("-")[2]): path for path in folder.glob("round-*.safetensors")}
