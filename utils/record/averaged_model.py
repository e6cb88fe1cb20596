"""The driver's own copy of the global model, brought up to date when something of it is to be written."""

from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from utils.model import loading
from utils.model.adapted import save_adapter
from utils.record.adapter_base import Base
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

    `base` is what the adapters of a model that has some stand on, where a folder has it. `lent`: work that still reads
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
        """Write the model after a round, with its tokenizer, into `folder`, and its adapters beside it.

        Of …model they are …adapter.
        """
        self.read(server_round)
        loading.save(self.model, self.tokenizer, folder)
        if self.base:
            save_adapter(self.model, self.tokenizer, adapter_beside(folder), self.base.name, self.base.revision)


def adapter_beside(folder: Path) -> Path:
    """Return where the adapters of the model in …model are, where the run writes them."""
    return folder.with_name(folder.name.removesuffix("model") + "adapter")
