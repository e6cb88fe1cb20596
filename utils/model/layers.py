"""A model's first layers alone: its configuration is cut before the weights are read, so transformers makes the rest.

The first k layers of a pre-trained model are a model of less representation power with the same tokenizer, width and
kind of text read (for BERT: Sajjad et al. 2023, "On the effect of dropping layers of pre-trained transformer models",
arXiv:2004.03844, whose top-layer dropping this is).
"""

import copy
from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from utils.errors import UserError, in_short
from utils.model.local import check_number
from utils.model.model_config import parts

#: what a configuration calls its numbers of layers, by transformers' common names: an encoder-decoder has two
_COUNTS = ("num_hidden_layers", "decoder_layers", "num_decoder_layers")
#: what it calls lists with an entry for each layer
_LISTS = ("attention_window", "attn_layers", "layer_rope_theta", "layer_types", "layers_block_type", "mlp_layer_types",
          "no_rope_layers")
#: what says that a layer's kind or weights depend on how many there are: keys, and their values that do not
_BY_NUMBER = {"num_hidden_groups": 1, "num_kv_shared_layers": 0}


def layers_of(config: PreTrainedConfig) -> int:
    """Return how many layers a configuration gives its model, each stack of an encoder-decoder at least; 0: no number.
    """
    return min((count for *_, count in _counts(config)), default=0)


def keep_layers(called: str, config: PreTrainedConfig, n: int) -> PreTrainedConfig:
    """Make `config` that of its model's first `n` layers, of an encoder-decoder's stacks each, in place.

    Returns what it was. Raises UserError where there are not so many, or the family cannot be cut.
    """
    have, whole = layers_of(config), copy.deepcopy(config)
    refused = f"--layers {n}: {called}, a {config.model_type} model"
    if not have:
        raise UserError(f"{refused}, has no number of layers; leave the flag out")
    check_number(called, have, n)
    for part, _, count in _counts(config):
        for name, value in _BY_NUMBER.items():
            if count > n and getattr(part, name, value) not in (value, None):
                raise UserError(f"{refused}, shares weights by the number of its layers ({name} "
                                f"{getattr(part, name)}), and would be another model; leave the flag out")
    try:
        for part, key, count in _counts(config):
            for name in _LISTS:
                entries = getattr(part, name, None)
                if isinstance(entries, (list, tuple)) and len(entries) == count:
                    setattr(part, name, entries[:n])
            setattr(part, key, n)
        type(config).from_dict(config.to_dict())  # as it is saved, and read again
    except Exception as error:  # of each family's own checks: no common class
        raise UserError(f"{refused}, does not take another number of layers ({in_short(error)}); leave the flag out"
                        ) from error
    return whole


def above(auto: Any, whole: PreTrainedConfig, model: PreTrainedModel) -> tuple[str, ...]:
    """Return what the names of weights begin with that the model of the configuration `whole` has in further layers.

    `auto` is the class that makes it, and `model` the same one's of the first layers. A checkpoint of the body alone
    lacks the body's prefix, so each is there without it, too.
    """
    with torch.device("meta"):
        every = [name for name, _ in auto.from_config(whole, trust_remote_code=False).named_modules()]
    kept = {name for name, _ in model.named_modules()}
    names = [f"{name}." for name in every if name not in kept]
    return (*names, *(name.removeprefix(f"{model.base_model_prefix}.") for name in names))


def cut_note(have: int, n: int, tensors: int) -> str:
    """Return a note of the first `n` of the `have` layers, and of the `tensors` left out; "" if all layers stay."""
    left_out = f"; {tensors} tensors of the others are left out" * bool(tensors)
    return f"its first {n} of {have} layers{left_out}" * (0 < n < have)


def _counts(config: PreTrainedConfig) -> list[tuple[PreTrainedConfig, str, int]]:
    """Return (configuration, key, number of layers) of each stack, also of the configurations in it."""
    return [(part, key, getattr(part, key)) for part in parts(config) for key in _COUNTS
            if type(getattr(part, key, None)) is int]
