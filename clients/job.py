"""A run as its workers see it: a value that goes with Flower's client_fn."""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.config import RunConfig
from utils.data.task import TaskSpec
from utils.vectors.transport import Transport

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Piece:
    """Part of a round's work: optimizer steps `begin` to `end` (0: the last) of the participant at `position`.

    `cut` numbers the round's clients that are cut in two: what one is in between lies in that number's buffers.
    """

    position: int
    begin: int = 0
    end: int = 0
    cut: int = 0


WHOLE = Piece(0)  #: a participant's round from its first step to its last


@dataclass(frozen=True)
class Job:
    """A run's configuration and task; `scratch` holds the model's configuration and tokenizer, and the buffers.

    `commit` is the hub's that the model is of, "" if it is not of the hub; `fingerprint` is that of the task's table
    and, after spaces, those of the `others` that `--ood_data` names; `frozen` is that of the weights that are not
    trained, "" if all are, and `layout` that of the vector ("": of any).
    `dropped` is the `dropped` of the driver's TaskData as JSON text ("": the workers find it for themselves).
    `untied` names, with spaces between, the weights that only the driver's checkpoint shows to be no others' too.
    """

    config: RunConfig
    spec: TaskSpec
    scratch: str
    run_dir: str
    commit: str = ""
    fingerprint: str = ""
    frozen: str = ""
    layout: str = ""
    untied: str = ""
    dropped: str = ""
    others: tuple[TaskSpec, ...] = field(default=(), kw_only=True)

    #: whether the model's weights are where its skeleton is
    skeleton_has_weights = False

    @property
    def skeleton(self) -> Path | str:
        """Folder (or name) of the model's configuration and tokenizer, without weights."""
        return Path(self.scratch) / "model"

    @property
    def skeleton_key(self) -> str:
        """A skeleton's content, whichever folder it lies in."""
        digest = sha256()
        for path in sorted(path for path in Path(self.skeleton).rglob("*") if path.is_file()):
            digest.update(str(path.relative_to(self.skeleton)).encode() + path.read_bytes())
        return digest.hexdigest()

    @property
    def model_key(self) -> str:
        """What the model is made of beside its vector: the skeleton, the weights that are not trained, the layout."""
        return f"{self.skeleton_key} {self.frozen} {self.layout}"

    @property
    def frozen_weights(self) -> Path:
        """The file of the weights that are not trained, which workers map; none where all are."""
        return Path(self.scratch) / "frozen-weights"

    @property
    def tokens(self) -> Path:
        """Folder of the tokens that the token cache has no place for."""
        return Path(self.scratch) / "tokens"

    def save_skeleton(self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerFast") -> None:
        """Write the skeleton."""
        model.config.save_pretrained(self.skeleton)
        tokenizer.save_pretrained(self.skeleton)

    def transport(self, size: int) -> Transport:
        """Return how vectors of `size` elements travel in this run."""
        return Transport(self.scratch if self.config.transport == "reference" else "", size)

    def rows_shown(self, n_clients: int) -> np.ndarray | None:
        """Return the rows that each client has trained on in this round, int64 [clients]; workers keep it up to date.

        It is for show, and shared by all processes that share `scratch`; None in one that does not.
        """
        if not Path(self.scratch).is_dir():
            return None
        shared = Transport(self.scratch, n_clients, np.int64)
        return shared.receive(shared.buffer("rows-0"))


@dataclass(frozen=True)
class NodeJob(Job):
    """A job for nodes that share no disk with the server: each takes the skeleton from the model that the flags name.

    Of the hub that is the model at the server's `commit`. Its weights are read where some of them are not trained.
    """

    skeleton_has_weights = True

    @property
    def skeleton(self) -> str:
        """The name of the model."""
        return self.config.start

    @property
    def skeleton_key(self) -> str:
        """The model at its commit."""
        return f"{self.skeleton}@{self.commit}"
