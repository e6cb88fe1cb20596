"""Round 0's evaluation, kept beside the rows for other runs that begin with the same model: a study's runs do."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from utils.config import RunConfig
from utils.data.dataset import TaskData
from utils.data.evaluation import EvaluationSet
from utils.machine.processor import processor
from utils.record.runlog import versions

SECONDS_KEPT = 30 * 86400  # from when a file is written
EVALUATIONS = "evaluations"  # the folder, in the table's
ROOT = Path(__file__).parents[2]
COMPUTING = ("clients", "utils")  # the rooms with what computes an evaluation
#: of RunConfig: what an evaluation's bits depend on beside model, rows and the machine
DECIDING = ("threads", "fp32_products", "max_length", "text_to_text", "n_gpus", "train", "train_flags")


class KnownEvaluation:
    """A model's answers on `sets`, in the file FOLDER/KEY.safetensors: of each set float64 [3, rows], in row order.

    A file that is damaged, or not there, is no answer; one that cannot be written is left out.
    """

    def __init__(self, folder: Path, key: str, sets: Sequence[EvaluationSet]) -> None:
        self.path, self.sets = folder / f"{key}.safetensors", sets

    def read(self) -> dict[str, list[np.ndarray]] | None:
        """Return {set: [columns]} as one worker that evaluates all of each set would answer; None if none is known."""
        if self.path.parent.is_symlink() or self.path.is_symlink():
            return None
        try:
            with safe_open(self.path, "numpy") as file:
                known = {each.name: file.get_tensor(each.name) for each in self.sets}
                whole = file.metadata()["sha256"] == checksum(known)
        except (OSError, SafetensorError, LookupError, TypeError, ValueError):
            return None
        if not whole or not self._fit(known):
            return None
        return {each.name: [known[each.name][:, np.concatenate(each.batches)]] for each in self.sets}

    def write(self, answers: Mapping[str, list[np.ndarray]]) -> None:
        """Keep {set: each part's columns}, if all are finite numbers: the file is whole or other than its checksum."""
        known = {each.name: each.assemble(answers[each.name]) for each in self.sets}
        folder = self.path.parent
        if folder.is_symlink() or not self._fit(known):
            return
        new = folder / f".{uuid4().hex}"  # processes that do this at once have the same to say
        with suppress(OSError, SafetensorError):  # a folder that may only be read, a full disk
            folder.mkdir(exist_ok=True)
            try:
                save_file(known, new, {"sha256": checksum(known)})
                new.rename(self.path)
            finally:
                new.unlink(missing_ok=True)
            for old in folder.iterdir():  # of other versions of this program, or half a file of a killed run
                if time.time() - old.stat().st_mtime > SECONDS_KEPT:
                    old.unlink()

    def _fit(self, known: Mapping[str, np.ndarray]) -> bool:
        """Whether each set has its columns, of finite numbers."""
        return all(known[each.name].dtype == np.float64 and known[each.name].shape == (3, len(each.rows))
                   and np.isfinite(known[each.name]).all() for each in self.sets)


def checksum(known: Mapping[str, np.ndarray]) -> str:
    """Return the sha256 of all sets' columns, in hex."""
    digest = sha256()
    for name, columns in known.items():
        digest.update(f"{name} {columns.dtype} {columns.shape}".encode() + np.ascontiguousarray(columns).tobytes())
    return digest.hexdigest()


def evaluation_key(config: RunConfig, data: TaskData, model_key: str, vector: np.ndarray) -> str:
    """Return the sha256, in hex, of all that the evaluation of `vector`, float32 [n], depends on.

    That is the model (`model_key`: its configuration, its tokenizer and what no client trains of it), the task, the
    rows in their batches as the model reads them, the flags that decide bits, this program's own files, the libraries
    and the processor.
    """
    facts = [model_key, asdict(data.table.spec), {name: getattr(config, name) for name in DECIDING}, versions(),
             torch.__config__.show(), torch.backends.cpu.get_cpu_capability(), processor()]
    digest = sha256(json.dumps(facts, default=str).encode())
    for room in COMPUTING:
        for path in sorted((ROOT / room).rglob("*.py")):
            digest.update(str(path.relative_to(ROOT)).encode() + sha256(path.read_bytes()).digest())
    for each in data.evaluation_sets:
        tokens = data.tokens[each.split]
        digest.update(f"{each.name} {tokens.choices} {each.alike} {[len(batch) for batch in each.batches]}".encode())
        for array in (each.rows, each.labels, *each.batches, tokens.ids, tokens.types, tokens.offsets):
            if array is not None:
                digest.update(f"{array.dtype} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
    digest.update(np.ascontiguousarray(vector).data)
    return digest.hexdigest()
