"""The driver's own copy of the global model, brought up to date when something of it is to be written."""

import shutil
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from utils.model import loading
from utils.model.adapted import save_adapter
from utils.record.adapter_base import Base, beside
from utils.vectors.parameters import ParameterVector
from utils.vectors.step import Step


class GlobalVectors(Protocol):
    """What holds the global vector and what a strategy keeps beside it: each float32 [n].

    `step`: the last round's, beside the plain mean's; None before there is one.
    """

    step: Step | None

    def read(self, out: np.ndarray) -> None:
        """Copy the global vector into `out`."""

    def read_states(self) -> list[np.ndarray]:
        """Return copies of what is kept beside it."""


class AveragedModel:
    """`model`, whose parameters `vector` holds, as it was after the round last read from `vectors`.

    `base` is what the adapters of a model that has some stand on. `lent`: work that still reads
    this memory, such as the writing of a checkpoint; the memory changes after that.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, vector: ParameterVector,
                 vectors: GlobalVectors, base: Base | None = None) -> None:
        self.model, self.tokenizer, self.vector, self.vectors, self.base = model, tokenizer, vector, vectors, base
        self.lent: Future | None = None
        self._round: int | None = None

    def read(self, server_round: int) -> np.ndarray:
        """Return the global vector after a round, which the model then has; raises what kept `lent` from its end."""
        if self.lent:
            self.lent.result()
        if server_round != self._round:
            self.vectors.read(self.vector.numpy())
            self._round = server_round
        return self.vector.numpy()

    def save(self, folder: Path, server_round: int) -> None:
        """Write the model after a round, with its tokenizer, into `folder`, …model, and its adapters beside it.

        They are …adapter, and what they stand on …base where no other folder has it.
        """
        self.read(server_round)
        loading.save(self.model, self.tokenizer, folder)
        if self.base:
            base, adapter = self.base.beside(folder), beside(folder, "adapter")
            if not self.base.name:
                shutil.rmtree(adapter, ignore_errors=True)  # it stands on the base that goes
                loading.save(self.model, self.tokenizer, Path(base.name), merged=False)
            save_adapter(self.model, self.tokenizer, adapter, base.name, base.revision)


def remove_saved(folder: Path) -> None:
    """Remove what `AveragedModel.save` has written into `folder` and beside it, if it has."""
    for each in (folder, beside(folder, "adapter"), beside(folder, "base")):
        shutil.rmtree(each, ignore_errors=True)
