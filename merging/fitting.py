"""Whether models can be merged, and which of their tensors are: one line says which model does not fit, and where."""

import dataclasses
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedConfig, PreTrainedTokenizerFast

from merging.models import SavedModel
from merging.tensors import Tensor, Zeros
from utils.console import NOTES
from utils.errors import UserError, quoted
from utils.model.label_names import output_order

#: Of what an architecture's configuration has: what changes nothing that a trained model computes on a row. All else
#: does, though no tensor may have another shape.
FREE = re.compile(r"drop|_token_id$|^init|^use_cache$|^use_mems|^deterministic|^sparse_pred")
OF_HEADS = re.compile(r"^(classifier|summary|pooler|decoder_bias|start_n_top|end_n_top)")


@dataclass(frozen=True)
class Fitted:
    """Models that fit together. `frame` is the one whose configuration, tokenizer and names the result has.

    By the frame's names: `merged` the tensors that the method makes, `averaged` those that the base has not (all in the
    order of the models, the base's last), `copied` those of the frame alone. `from_zero`: those of `merged` that the
    base has not, where the method may act on whole models.
    """

    frame: SavedModel
    merged: dict[str, tuple[Tensor, ...]]
    averaged: dict[str, tuple[Tensor, ...]]
    copied: dict[str, Tensor]
    from_zero: tuple[str, ...] = ()


def fitted(models: Sequence[SavedModel], base: SavedModel | None, head: SavedModel | None, from_zero: bool = False
           ) -> Fitted:
    """Return how `models`, the `base` (None: zero) and the model whose `head` is kept (None: heads are merged) fit.

    `from_zero`: whether the method may act on whole models, as it does then on what the base has not.

    Raises UserError, naming the model and the place, for another architecture, shape or vocabulary, for other labels or
    another order of them, and for tensors that are missing.
    """
    frame = head or models[0]
    for model in dict.fromkeys((*models, frame)):
        lacking = [key for key in model.lacking if head in (None, model) or
                   key.startswith(model.prefix) and "pooler" not in key]
        if lacking:
            raise UserError(f"{model.asked}: {lacking[0]} is missing{and_more(lacking)}; give a whole model")
    tokenizer = frame.tokenizer()
    vocabulary, rules = tokenizer.get_vocab(), rules_of(tokenizer)
    for model in dict.fromkeys((*models, *([base] if base else []))):
        if model is frame:
            continue
        check_body(model, frame, model is base or head is not None)
        tokenizer = model.tokenizer()
        check_vocabulary(model, frame, tokenizer.get_vocab(), vocabulary)
        check_rules(model, frame, rules_of(tokenizer), rules)
    tensors: list[dict[str, Tensor]] = [named(model, frame) for model in models]
    if head is None:
        for model in models[1:]:
            check_head(model, frame)
        for own, model in zip(tensors, models):
            own |= model.head
    of_base = {} if base is None else named(base, frame)
    if base and head is None and heads_differ(base, frame) is None:
        of_base |= base.head
    ours = named(frame, frame)
    all_of = {key: tuple(own[key] for own in tensors) for key in tensors[0]
              if head is None or all(key in own for own in (*tensors, ours))}
    copied = {**(frame.head if head else {}), **frame.fixed,
              **{key: tensor for key, tensor in ours.items() if key not in all_of}}
    if base is None:
        return Fitted(frame, all_of, {}, copied)
    absent = tuple(key for key in all_of if key not in of_base)
    if absent:
        NOTES.info("%s has none of these, which are %s: %s", base.asked,
                   "measured from zero" if from_zero else "averaged", ", ".join(absent))
    if from_zero:
        of_base |= {key: Zeros(**vars(all_of[key][0])) for key in absent}
    merged = {key: (*each, of_base[key]) for key, each in all_of.items() if key in of_base}
    averaged = {key: each for key, each in all_of.items() if key not in of_base}
    return Fitted(frame, merged, averaged, copied, absent if from_zero else ())


def named(model: SavedModel, frame: SavedModel) -> dict[str, Tensor]:
    """Return a model's body by the frame's names."""
    return {frame.prefix + key: tensor for key, tensor in model.body.items()}


def check_body(model: SavedModel, frame: SavedModel, alone: bool) -> None:
    """Raise UserError unless a model's body is of the frame's architecture.

    A pooler may be missing, as some heads read none; where the model's body `alone` is of use, the frame may lack it.
    """
    ours, theirs = frame.config, model.config
    if theirs.model_type != ours.model_type:
        raise UserError(f"{model.asked}: is a {theirs.model_type} model, and {frame.asked} is a {ours.model_type} one: "
                        "only models of one architecture are merged")
    for key in sorted({*model.body, *frame.body}):
        one, other = model.body.get(key), frame.body.get(key)
        if other is None and alone and "pooler" in key:
            continue
        if other is None or one is None and "pooler" not in key:
            raise UserError(f"{(frame if other is None else model).asked}: {key} is missing, which "
                            f"{(model if other is None else frame).asked} has: only models of one architecture are "
                            "merged")
        if one is not None and one.shape != other.shape:
            raise UserError(f"{model.asked}: {key} is {[*one.shape]}, and {[*other.shape]} in {frame.asked}: only "
                            "models of one architecture and size are merged")
    check_config(model, frame, lambda name: not OF_HEADS.search(name))


def check_config(model: SavedModel, frame: SavedModel, compared: Callable[[str], bool]) -> None:
    """Raise UserError unless a model's configuration has what the frame's has under the names that are `compared`."""
    of_any = {field.name for field in dataclasses.fields(PreTrainedConfig)}
    theirs, ours = model.config.to_dict(), frame.config.to_dict()
    for field in dataclasses.fields(frame.config):
        name = field.name
        if name in of_any or FREE.search(name) or not compared(name):
            continue
        one, other = theirs.get(name), ours.get(name)
        if one != other:
            raise UserError(f"{model.asked}: {name} in its config.json is {quoted(one)}, and {quoted(other)} in "
                            f"{frame.asked}: only models of one architecture are merged")


def check_vocabulary(model: SavedModel, frame: SavedModel, theirs: Mapping[str, int], ours: Mapping[str, int]) -> None:
    """Raise UserError unless a model's tokenizer gives each token the number that it has in the frame's, `ours`."""
    if theirs != ours:
        other = min((key for key in {*theirs, *ours} if theirs.get(key) != ours.get(key)),
                    key=lambda key: (min(theirs.get(key, len(theirs)), ours.get(key, len(ours))), key))
        raise UserError(f"{model.asked}: its tokenizer has another vocabulary: {quoted(other)} is "
                        f"{place_of(theirs, other)}, and {place_of(ours, other)} in {frame.asked}: rows of other words "
                        "are not merged")


def rules_of(tokenizer: PreTrainedTokenizerFast) -> dict[str, object]:
    """Return by what a tokenizer makes tokens of a text, beside their numbers, by the names of its own JSON."""
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    model = {name: value for name, value in parts["model"].items() if name != "vocab" or isinstance(value, list)}
    return {name: parts[name] for name in ("normalizer", "pre_tokenizer")} | model


def check_rules(model: SavedModel, frame: SavedModel, theirs: Mapping[str, object], ours: Mapping[str, object]) -> None:
    """Raise UserError unless a model's tokenizer cuts texts as the frame's does, whose rules are `ours`."""
    other = next((name for name in sorted({*theirs, *ours}) if theirs.get(name) != ours.get(name)), None)
    if other is not None:
        raise UserError(f"{model.asked}: its tokenizer has another {other} than that of {frame.asked}: rows of other "
                        "words are not merged")


def place_of(vocabulary: Mapping[str, int], token: str) -> str:
    """Return a token's number, in words."""
    return f"number {vocabulary[token]}" if token in vocabulary else "not there"


def check_head(model: SavedModel, frame: SavedModel) -> None:
    """Raise UserError unless a model's head means what the frame's does."""
    different = heads_differ(model, frame)
    if different:
        raise UserError(f"{model.asked}: {different}")
    check_config(model, frame, lambda name: bool(OF_HEADS.search(name)))


def heads_differ(model: SavedModel, frame: SavedModel) -> str | None:
    """Return in what a model's head differs from the frame's, and what to do; None if it does not."""
    shapes = [{key: tensor.shape for key, tensor in each.head.items()} for each in (model, frame)]
    order = output_order(model.labels, frame.labels)
    words = [f"{each.architecture or 'no architecture'} ({', '.join(each.labels)})" for each in (model, frame)]
    if model.architecture != frame.architecture or order is None or shapes[0] != shapes[1]:
        return (f"its head is for another task, {words[0]}, than that of {frame.asked}, {words[1]}: give --head MODEL "
                "to merge the bodies and keep that model's head")
    if order != sorted(order) and frame.head:
        return (f"the labels of its head are in another order, {', '.join(model.labels)}, than those of {frame.asked}, "
                f"{', '.join(frame.labels)}; train both by one version of their task, or give --head MODEL to keep "
                "that model's")
    return None


def and_more(names: Sequence[str]) -> str:
    """Return how many more names there are than one, in words."""
    return f" and {len(names) - 1} more" * (len(names) > 1)
