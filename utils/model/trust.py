"""What of a model's files is never trusted: pickles, code of its own, and paths that lead out of its folder."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import torch
from transformers import PreTrainedConfig

from utils.errors import UserError, quoted

#: given to every `from_pretrained`: no file from elsewhere, no code
HERE_ONLY = {"local_files_only": True, "trust_remote_code": False}
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def check_config(asked: str, config: PreTrainedConfig) -> None:
    """Raise UserError for a configuration that has transformers fetch code, or weights that are no safetensors.

    `asked` is the flag with its value that asked for the model, as the message is to name it: here and below.
    """
    if "/" in str(config._attn_implementation):
        raise UserError(f"{asked}: its config.json asks for attention code from the hub, and no model's code "
                        "is run; remove attn_implementation from it")
    weights = getattr(config, "transformers_weights", None)
    if weights is not None and (Path(weights).name != weights or not weights.endswith(".safetensors")):
        raise UserError(f"{asked}: transformers_weights in its config.json must name a .safetensors file "
                        f"beside it, not {quoted(weights)}")


def check_weight_files(asked: str, folder: Path) -> None:
    """Raise UserError if the weights in a folder are absent, a pickle, or partly elsewhere."""
    index = folder / "model.safetensors.index.json"
    if os.path.isfile(index):
        for file in json_object(asked, index, "weight_map")["weight_map"].values():
            if type(file) is not str or Path(file).name != file or not file.endswith(".safetensors"):
                raise UserError(f"{asked}: {index.name} must name .safetensors files beside it, "
                                f"not {quoted(file)}")
            if not ((folder / "model.safetensors").exists() or (folder / file).exists()):
                raise UserError(f"{asked}: {index.name} names {file}, which is not there: give the whole model")
    else:
        check_weight_names(asked, os.listdir(folder))


def json_object(asked: str, path: Path, inner: str = "") -> dict:
    """Return the object of a JSON file; raises UserError that names it if it is none, or lacks the object `inner`."""
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, dict) or inner and not isinstance(found.get(inner), dict):
        raise UserError(f"{asked}: {path.name} is no JSON object{f' with a {inner}' * bool(inner)}; mend or remove it")
    return found


def check_weight_names(asked: str, names: Iterable[str]) -> None:
    """Raise UserError unless safetensors are among the `names` of a model's files."""
    suffixes = {Path(name).suffix for name in names}
    if ".safetensors" not in suffixes:
        raise UserError(_pickled(asked) if suffixes & {*_PICKLES} else
                        f"{asked}: no weights there; add its model.safetensors, or give --random_init")


def check_adapter_names(asked: str, names: Iterable[str]) -> None:
    """Raise UserError unless the weights of a PEFT adapter are among the `names` of its files, as safetensors."""
    if "adapter_model.safetensors" not in names:
        raise UserError(_pickled(asked, "PeftModel.from_pretrained(…).save_pretrained(FOLDER) with peft, in a place of "
                                 "its own, writes an adapter_model.safetensors")
                        if "adapter_model.bin" in names else
                        f"{asked}: its adapter_model.safetensors is not there: give the whole adapter")


def _pickled(asked: str, instead: str = "python -m utils.model.convert NAME OUT makes a model.safetensors of a "
                                        "pytorch_model.bin, in a process without network") -> str:
    return (f"{asked}: its weights are a pickle, which can run any code when it is read: refused. If you trust it, "
            f"{instead}")


@contextmanager
def safetensors_only(asked: str) -> Iterator[None]:
    """Refuse a pickle wherever transformers comes upon one, with a line that says how to convert it.

    `use_safetensors` alone does not: an index of safetensors may list other files, which are then unpickled.
    """
    def refuse(*args: object, **options: object) -> NoReturn:
        raise UserError(_pickled(asked))

    kept, torch.load = torch.load, refuse
    try:
        yield
    finally:
        torch.load = kept
