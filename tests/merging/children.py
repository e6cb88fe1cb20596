"""Models that began as one tiny model and were moved a little, each in a way of its own, saved as users have them."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
)

from merging.flags import Asked, parse
from tests.tiny import tiny_once

LABELS = ("negative", "positive")


def child(base: Path, family: str, number: int, labels: tuple[str, ...] = LABELS, **saved: Any) -> Path:
    """Return the folder of a family's child `number`, made at the first call.

    `saved`: `dtype`, and whatever `save_pretrained` takes.
    """
    parent = tiny_once(base, family)
    folder = base / "-".join([family, str(number), *labels, *(str(value) for value in saved.values())])
    if not folder.exists():
        auto = AutoModelForSeq2SeqLM if family in ("t5", "mt5") else AutoModelForSequenceClassification
        config = AutoConfig.from_pretrained(parent)
        config.id2label, config.label2id = dict(enumerate(labels)), {name: k for k, name in enumerate(labels)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = auto.from_pretrained(parent, config=config)
            moved(model, number)
        model.to(saved.pop("dtype", torch.float32)).save_pretrained(folder, **saved)
        AutoTokenizer.from_pretrained(parent).save_pretrained(folder)
    return folder


def moved(model: PreTrainedModel, number: int) -> None:
    """Move a model's weights, by a tenth of their size or so."""
    generator = torch.Generator().manual_seed(number + 1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=generator))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return a model's weights as transformers loads them, tied ones once, float64."""
    cls = AutoModelForSeq2SeqLM if "t5" in AutoConfig.from_pretrained(folder).model_type else \
        AutoModelForSequenceClassification
    model, found = cls.from_pretrained(folder, output_loading_info=True)
    assert not (found["missing_keys"] or found["unexpected_keys"] or found["mismatched_keys"])
    return {name: p.detach().double() for name, p in model.named_parameters()}


def asked(*words: object) -> Asked:
    """Return what a command line of merge.py asks for."""
    return parse([str(word) for word in words], ("rte", "sentiment", "copa"))
