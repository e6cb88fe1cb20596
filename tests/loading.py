"""What tests of loaded models share: edits of a folder, the line of a refusal, the answers of any kind of model."""

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForMultipleChoice,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from tests.tiny import FAMILIES, QASC, RTE, STSB, TEXT_TO_TEXT
from utils.errors import UserError
from utils.model import loading

#: (family, task, whether it answers in words): every family, every kind of head
KINDS = [*((family, RTE, False) for family in FAMILIES if family not in ("t5", "mt5")), ("gpt2", STSB, False),
         ("bert", QASC, False), ("roberta", QASC, False), *((family, RTE, True) for family in TEXT_TO_TEXT)]
KIND_NAMES = [f"{family}-{spec.name}{'-words' * words}" for family, spec, words in KINDS]
ROWS = ("A short one.", "A longer row, with the values of the other list, which pads the short one in a batch.", "Two!")


def edit(folder: Path, file: str = "config.json", **changes: object) -> Path:
    """Change keys of a JSON file in the folder; None takes one out. Returns the folder."""
    path = folder / file
    whole = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in whole.items() if value is not None}))
    return folder


def loaded(name, spec=RTE, seed=0, max_length=64, **wanted):
    """Return (model, tokenizer) for a task; `wanted`: other fields of `loading.Wanted`."""
    return loading.load(loading.Wanted(str(name), seed, max_length, **wanted), spec)


def refused(name, spec=RTE, **wanted) -> str:
    """Return the message of the UserError, which is one line."""
    with pytest.raises(UserError) as caught:
        loaded(name, spec, **wanted)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def plain(folder: Path, spec, words: bool):
    """Return (model, tokenizer) as transformers alone loads them."""
    auto = (AutoModelForSeq2SeqLM if words else AutoModelForMultipleChoice if spec is QASC
            else AutoModelForSequenceClassification)
    return auto.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


@torch.no_grad()
def answers(model, tokenizer, rows=ROWS) -> torch.Tensor:
    """Return the logits of rows of text in one batch, padded by the tokenizer; of two choices with multiple choice."""
    inputs = tokenizer(list(rows), padding=True, return_tensors="pt")
    if "MultipleChoice" in type(model).__name__:
        inputs = {key: torch.stack([value, value.flip(0)], 1) for key, value in inputs.items()}
    if "ConditionalGeneration" in type(model).__name__:
        inputs["labels"] = torch.tensor([[5, 6, tokenizer.eos_token_id]] * len(rows))
    return model(**inputs).logits


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    """Assert equality but for rounding."""
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def in_batch_as_alone(model, tokenizer) -> None:
    """Assert that no row's answers depend on its batch."""
    together = answers(model, tokenizer)
    assert together.abs().max() > 0 and not torch.allclose(together[0], together[1], rtol=1e-3, atol=0)
    if "MultipleChoice" in type(model).__name__:  # its choices are a batch already
        close(together[2:, 0], answers(model, tokenizer, ROWS[2:])[:, 0])
        return
    close(together, torch.cat([answers(model, tokenizer, [row]) for row in ROWS]))


def louder(model) -> None:
    """Make a new head's weights large, so that its answers differ."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if any(part in name for part in ("classifier", "classification_head", "score", "logits_proj")):
                p.mul_(20)
