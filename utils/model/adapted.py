"""A model that has LoRA adapters beside its matrices, on disk: with them merged into it, and they alone, as PEFT's."""

import copy
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from utils.machine.durable import whole_folder
from utils.model.adapter import PREFIX, WEIGHTS

NAME = "default"  # PEFT's, of an adapter that has none


def plain_state(model: PreTrainedModel, merged: bool = True) -> dict[str, torch.Tensor]:
    """Return a model's state without adapters: their products are added to the matrices, under the plain names.

    That is, where they are to be `merged`. Tensors that are no sums are the model's own.
    """
    adapted = {name: module for name, module in model.named_modules() if hasattr(module, "lora_A")}
    state = {}
    with torch.no_grad():
        for key, tensor in model.state_dict().items():
            name, _, rest = key.partition(".base_layer.")
            if rest:
                product = adapted[name].get_delta_weight(NAME) if merged and rest == "weight" else None
                state[f"{name}.{rest}"] = tensor if product is None else tensor + product
            elif ".lora_" not in key:
                state[key] = tensor
    return state


def save_adapter(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path, base: str, revision: str
                 ) -> None:
    """Write a folder that `PeftModel.from_pretrained(BASE, folder)` loads, whole or not at all.

    `base` (a hub id at `revision`, or a path) names the model without adapters. The head goes with them, whatever its
    family calls it, and config.json says what its outputs are, beside the tokenizer.
    """
    trained = {name: p.detach().cpu().contiguous() for name, p in model.named_parameters()
               if p.requires_grad and not name.endswith(".base_layer.weight")}
    options = copy.copy(model.peft_config[NAME])
    options.base_model_name_or_path, options.revision, options.inference_mode = base, revision or None, True
    options.target_modules = sorted(options.target_modules)  # of a set, in an order of each process's own
    options.modules_to_save = sorted({name.rpartition(".")[0] for name in trained if ".lora_" not in name}) or None
    with whole_folder(folder) as new:
        model.config.save_pretrained(new)
        tokenizer.save_pretrained(new)
        options.save_pretrained(new)
        save_file({PREFIX + name.replace(f".{NAME}.", "."): tensor for name, tensor in trained.items()}, new / WEIGHTS,
                  {"format": "pt"})
