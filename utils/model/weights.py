"""Whether a checkpoint's weights are those of the model that transformers makes of its config.json."""

import re
from collections.abc import Mapping
from typing import Any

import torch
import transformers
from transformers import AutoModel

from utils.console import NOTES
from utils.errors import UserError, quoted

#: what older versions of transformers saved though nothing is learnt in it
BUFFERS = re.compile(r"(^|\.)(position_ids|token_type_ids|masked_bias|(attn|attention)\.bias|inv_freq)$")


def lacking(found: Mapping[str, Any]) -> set[str]:
    """Return the names of the model's weights that the checkpoint has not, or in another shape.

    `found`: transformers' loading info, here and below.
    """
    return set(found["missing_keys"]) | {key for key, *_ in found["mismatched_keys"]}


def check_weights(asked: str, model: transformers.PreTrainedModel, found: Mapping[str, Any], base: str = "",
                  above: tuple[str, ...] = ()) -> None:
    """Note which heads of the checkpoint are left out; raise UserError unless its body is the model's, whole.

    The head may be new, and a pooler with it. `base`: what an adapter names as its base, where they are that one's;
    `above`: what the names of weights begin with that are of layers which the model is to do without.
    """
    family = model.config.model_type
    body = sorted(key for key in lacking(found) if "pooler" not in key and in_body(model, key))
    if body and base:
        raise UserError(f"{asked}: the weights of its base {quoted(base)} are not those of the {family} model that it "
                        f"was made for: {len(body)} missing or misshapen, first {body[0]}: give the base that it was "
                        "made for")
    if body:
        raise UserError(f"{asked}: the weights are not those of its config.json's "
                        f"{family} model: {len(body)} missing or misshapen, first {body[0]}")
    unused = {key for key in found["unexpected_keys"] if not BUFFERS.search(key) and not key.startswith(above)}
    lost = {key for key in unused if in_body(model, key)}
    if lost:  # a part of the body that this head does not need, as a pooler, is no loss
        prefix = f"{model.base_model_prefix}."
        with torch.device("meta"):
            whole = AutoModel.from_config(model.config).state_dict()
        lost = {key for key in lost if key.removeprefix(prefix) not in whole}
    if lost:
        raise UserError(f"{asked}: a {family} model of transformers {transformers.__version__} has no place for "
                        f"{len(lost)} of its weights, and would be another model without them: "
                        f"{', '.join(sorted(lost)[:3])}{', …' * (len(lost) > 3)}")
    if unused:
        heads = sorted({key.removeprefix(f"{model.base_model_prefix}.").split(".")[0] for key in unused})
        NOTES.info("%s: its weights for other tasks are left out: %s (%d tensors)", asked, ", ".join(heads),
                   len(unused))


def in_body(model: transformers.PreTrainedModel, key: str) -> bool:
    """Return whether a weight, of the model or of a checkpoint with the body alone, belongs to the model's body."""
    prefix = model.base_model_prefix
    if not hasattr(model, prefix):  # a body itself, or T5's language model: all its parts but the head are body
        return key.removeprefix(f"{prefix}.").split(".")[0] in {*dict(model.named_children())} - {"lm_head"}
    return key.startswith(f"{prefix}.") or key.split(".")[0] in dict(getattr(model, prefix).named_children())
