"""The head that a task needs on a pretrained model: kept, put in the task's order, or drawn anew."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from transformers import (
    MODEL_FOR_MULTIPLE_CHOICE_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoModelForMultipleChoice,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
)

from utils.data.task import TaskSpec
from utils.errors import UserError
from utils.model.label_names import output_order, unnamed
from utils.model.weights import lacking

#: kind of head → (its auto class, the architectures that have one, in words for an error message)
_HEADS = {
    "classification": (AutoModelForSequenceClassification, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
                       "classification head"),
    "regression": (AutoModelForSequenceClassification, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
                   "regression head"),
    "multiple_choice": (AutoModelForMultipleChoice, MODEL_FOR_MULTIPLE_CHOICE_MAPPING,
                        "multiple-choice head"),
    "text_to_text": (AutoModelForSeq2SeqLM, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, "text-to-text head"),
}
_FAMILIES = ("albert", "bert", "bart", "deberta-v2", "distilbert", "electra", "gpt2", "roberta",
             "xlm-roberta", "t5", "mt5")
#: architectures whose heads have weights of the same names and shapes, whatever their task
_ALIKE = ("ForSequenceClassification", "ForMultipleChoice", "ForTokenClassification")


@dataclass(frozen=True)
class FormerHead:
    """What a checkpoint's config.json says of its head."""

    #: what its outputs mean; where it is no head of this kind at all, its architecture
    labels: tuple[str, ...]
    #: which output means each of the task's labels; None when they are another task's
    order: list[int] | None


def head_class(asked: str, config: transformers.PreTrainedConfig, kind: str) -> Any:
    """Return the auto class that loads a model with a head of this kind.

    Raises: UserError when the model's family has no such head.
    """
    auto, mapping, words = _HEADS[kind]
    if type(config) not in mapping:
        having = {architecture.model_type for architecture in mapping}
        raise UserError(f"{asked}: a {config.model_type} model has no {words}; "
                        f"families that have one: {', '.join(f for f in _FAMILIES if f in having)}")
    return auto


def describe_head(config: transformers.PreTrainedConfig, spec: TaskSpec, kind: str) -> FormerHead:
    """Write the head's size and the real label names into the config; return what it said before."""
    if kind == "text_to_text":
        return FormerHead((), [])  # words, whatever its config calls labels
    before = tuple(str(config.id2label[i]) for i in sorted(config.id2label))
    names = {"classification": spec.labels, "regression": ("score",), "multiple_choice": ("choice",)}[kind]
    config.id2label = dict(enumerate(names))
    config.label2id = {name: i for i, name in enumerate(names)}
    if kind != "multiple_choice":
        config.problem_type = "regression" if kind == "regression" else "single_label_classification"
    architecture = (config.architectures or [""])[0]
    wanted = _ALIKE[kind == "multiple_choice"]
    if architecture.endswith(_ALIKE) and not architecture.endswith(wanted):
        return FormerHead((architecture,), None)
    if kind == "multiple_choice" and architecture.endswith(wanted):
        return FormerHead(names, [0])  # it scores one choice, whatever its config calls the choices
    return FormerHead(before, output_order(before, names))


def adapt_head(model: transformers.PreTrainedModel, auto: Any, former: FormerHead, found: Mapping[str, Any]
               ) -> tuple[set[str], str]:
    """Put a loaded model's head in the order of its config's labels, or draw another task's head anew, in place.

    `found`: transformers' loading info. Returns the names of all weights that are not the checkpoint's, and a
    note of what has changed ("": nothing).
    """
    new, wanted = lacking(found), ", ".join(model.config.id2label.values())
    labels = ", ".join(former.labels)
    if former.order is None:
        new |= _redraw_head(model, auto)
    if former.order is None or found["mismatched_keys"]:
        return new, f"its head is for {labels}, not for {wanted}: drawn anew from the seed: {', '.join(sorted(new))}"
    if new:
        return new, f"new head drawn from the seed: {', '.join(sorted(new))}"
    if former.order != sorted(former.order):
        _reorder_head(model, auto, former.order)
        return new, f"the outputs of its head ({labels}) are put in the task's order ({wanted})"
    if len(former.labels) > 1 and unnamed(former.labels):
        return new, f"the outputs of its head have no names: taken for {wanted}"
    return new, ""


def _redraw_head(model: transformers.PreTrainedModel, auto: Any) -> set[str]:
    """Draw the weights outside the model's body anew, in place; return their names."""
    body = f"{model.base_model_prefix}."
    drawn = {key: value for key, value in auto.from_config(model.config, dtype=torch.float32).state_dict().items()
             if not key.startswith(body)}
    model.load_state_dict(drawn, strict=False)
    return set(drawn)


def _reorder_head(model: transformers.PreTrainedModel, auto: Any, order: list[int]) -> None:
    """Let output i of the head be what output `order[i]` was, in place.

    A family may call its last layer anything, so its shape says which it is: it grows with one label more.
    """
    larger = copy.deepcopy(model.config)
    larger.num_labels = len(order) + 1
    with torch.device("meta"):
        shapes = {name: p.shape for name, p in auto.from_config(larger, dtype=torch.float32).named_parameters()}
    for name, p in model.named_parameters():
        for axis, (size, other) in enumerate(zip(p.shape, shapes[name], strict=True)):
            if size != other:
                p.data = p.data.index_select(axis, torch.tensor(order))
