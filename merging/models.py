"""A model to merge: its configuration, and where its tensors lie; no weight is loaded."""

import inspect
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils.hub import extract_commit_hash

from merging.tensors import KINDS, Tensor, tensors_of
from utils.console import NOTES
from utils.errors import UserError
from utils.model.byte_order import without_marks
from utils.model.loading import load_errors, resolve
from utils.model.model_config import load_config
from utils.model.tied import tied, untie
from utils.model.tokenizer import load_tokenizer
from utils.model.weights import BUFFERS, in_body

_OLD_NAMES = {".gamma": ".weight", ".beta": ".bias"}  # of normalisation, in checkpoints of TensorFlow's time


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A model in a folder: `asked` is its name as messages have it, `name` as it was given.

    `body` has the tensors of the body by their names in it, `head` those of the head by their names in the model, where
    the body's begin with `prefix`. Tied weights are there once. `fixed`: numbers that no training changes. `lacking`:
    tensors that the architecture has and the files have not.
    """

    asked: str
    name: str
    folder: Path
    config: PreTrainedConfig
    prefix: str
    body: dict[str, Tensor] = field(default_factory=dict)
    head: dict[str, Tensor] = field(default_factory=dict)
    fixed: dict[str, Tensor] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()

    @property
    def architecture(self) -> str:
        """The class that its config.json names, which says what kind of head it has."""
        return (self.config.architectures or [""])[0]

    @property
    def labels(self) -> tuple[str, ...]:
        """What the outputs of its head mean."""
        return tuple(str(self.config.id2label[i]) for i in sorted(self.config.id2label))

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """Return its tokenizer, which is not kept: those of many models would take much memory."""
        with load_errors(self.asked), without_marks(str(self.folder)) as path:
            return load_tokenizer(self.asked, path)

    @property
    def commit(self) -> str:
        """The hub's commit that it is of; "" for a folder of one's own."""
        return extract_commit_hash(f"{self.folder}/config.json", None) or ""


def folder_of(name: str, flag: str = "") -> Path:
    """Return the folder that `name` stands for, as `--model` takes it; `flag` is the one that gives it, if one does.

    Raises UserError, one line that names the model, when it is not there.
    """
    try:
        return Path(resolve(name, flag or "model"))
    except UserError as error:  # the models to merge have no flag
        raise error if flag else UserError(str(error).removeprefix("--model ")) from None


def open_model(name: str, flag: str, folder: Path) -> SavedModel:
    """Return the model in a folder that `name` stands for, given by `flag` ("": by none).

    Raises UserError, one line that names the model, when it is none that is read.
    """
    asked = f"--{flag} {name}" if flag else name
    with load_errors(asked), without_marks(str(folder)) as path:
        config = load_config(asked, path)
        tensors = tensors_of(asked, folder, getattr(config, "transformers_weights", None))
        model = skeleton_of(config)
        untie(model, [key for key, other in tied(model).items()
                      if key in tensors and other in tensors and not tensors[key].equals(tensors[other])])
    prefix = f"{model.base_model_prefix}." if hasattr(model, model.base_model_prefix) else ""
    found = SavedModel(asked, name, folder, config, prefix)
    once = {p: key for key, p in model.named_parameters()}
    names = {key: once[p] for key, p in model.named_parameters(remove_duplicate=False)}
    shapes = {key: tensor for key, tensor in model.state_dict().items() if names.get(key, key) == key}
    strange = []
    for key, tensor in sorted(tensors.items(), key=lambda item: item[0] not in shapes):  # tied ones by their first name
        key = next((key.removesuffix(old) + new for old, new in _OLD_NAMES.items() if key.endswith(old)), key)
        key = names.get(key, key)
        if key not in shapes or key not in names and not shapes[key].is_floating_point():
            strange += [key] * (not BUFFERS.search(key))
            continue
        if tensor.shape != tuple(shapes[key].shape) or tensor.dtype not in KINDS:
            raise UserError(f"{asked}: {key} is {tensor.dtype} {[*tensor.shape]}, and its config.json's "
                            f"{config.model_type} model has floats {[*shapes[key].shape]} there; give a whole model")
        place = found.fixed if key not in names else found.body if in_body(model, key) else found.head
        place.setdefault(key.removeprefix(prefix) if place is found.body else key, tensor)
    if strange:
        NOTES.info("%s: left out, as a %s has no such weights: %s%s", asked, type(model).__name__,
                   ", ".join(sorted(strange)[:3]), ", …" * (len(strange) > 3))
    lacking = [key for key in once.values() if key not in found.head and key.removeprefix(prefix) not in found.body]
    return replace(found, lacking=tuple(lacking))


def skeleton_of(config: PreTrainedConfig) -> PreTrainedModel:
    """Return the model of the class that a config names, or the body alone where it names none, without memory."""
    cls: Any = getattr(transformers, (config.architectures or [""])[0], None)
    known = inspect.isclass(cls) and issubclass(cls, PreTrainedModel)
    with torch.device("meta"):
        if known and cls.config_class is type(config):
            return cls._from_config(config)
        return AutoModel.from_config(config)
