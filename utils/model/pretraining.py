"""The card of a model that pretrain.py has made: what it was pre-trained by, on, and how much."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.config import RunConfig
from utils.errors import UserError
from utils.flags import shown

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CARD = "pretraining.json"
#: what a card has: of each entry its type, and what it says
ENTRIES: Mapping[str, tuple[type, str]] = {
    "objective": (str, "distillation or mlm"),
    "seed": (int, "that all draws are from"),
    "tokens": (int, "that the model has read, special ones included, padding not"),
    "sequences": (int, "that they were"),
    "parameters": (int, "of the whole model, embeddings too"),
    "body_parameters": (int, "without embeddings"),
    "flops": (int, "6 · parameters · tokens"),
    "teacher": (str, "that the model learnt from; empty without one"),
    "teacher_flops": (int, "2 · the teacher's parameters · the tokens it has read; 0 without one"),
    "domains": (list, "of the text, as TASK/DOMAIN"),
    "vocabulary": (int, "word pieces, special tokens included"),
    "layers": (int, "of the encoder"),
    "hidden": (int, "its width"),
    "budget": (int, "tokens that were asked for: the model is that of the first step that reaches them"),
    "asked": (dict, "the flags of pretrain.py that decide the model, but for seed and budget"),
}


def read_pretraining(folder: Path) -> dict[str, Any] | None:
    """Return the card in a model's folder, with the keys of ENTRIES; None where there is none.

    Raises UserError, naming the file, for one that is no such card.
    """
    path = folder / CARD
    if not path.is_file():
        return None
    try:
        card = json.loads(path.read_bytes())
        wrong = [name for name, (kind, _) in ENTRIES.items()
                 if type(card[name]) is not kind or kind is int and card[name] < 0]
        if wrong or not all(type(domain) is str for domain in card["domains"]):
            raise ValueError(f"wrong {', '.join(wrong or ['domains'])}")
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: is no card of pretrain.py ({type(error).__name__}: {error}); make the model anew, or "
                        "remove the file") from None
    return {name: card[name] for name in ENTRIES}


def pretraining_of(config: RunConfig, model: "PreTrainedModel") -> dict[str, Any] | None:
    """Return the card of the model that a run has loaded; None where it has none, or the weights are random."""
    return None if config.random_init else read_pretraining(Path(model.config.name_or_path))


def sentence(card: Mapping[str, Any]) -> str:
    """Return what a card says in a sentence, for people; it names no path of this machine."""
    teacher = f" from `{card['teacher'].rstrip('/').rpartition('/')[2]}`" * bool(card["teacher"])
    if not card["tokens"]:
        return (f"Not pre-trained: random weights of seed {card['seed']}, with {card['vocabulary']:,} word pieces of "
                f"{', '.join(card['domains'])}.")
    return (f"Pre-trained in miniature by {card['objective']}{teacher}: {card['tokens']:,} tokens of "
            f"{', '.join(card['domains'])}, {card['vocabulary']:,} word pieces, {shown(float(card['flops']))} FLOPs "
            f"(6 · {card['parameters']:,} parameters · tokens), seed {card['seed']}.")
