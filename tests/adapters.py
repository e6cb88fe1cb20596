"""Adapters as PEFT writes them."""

from pathlib import Path

import peft
import torch
from transformers import AutoModelForMultipleChoice, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

from tests.tiny import QASC, RTE

KINDS = {"LORA": peft.LoraConfig, "LOHA": peft.LoHaConfig, "LOKR": peft.LoKrConfig, "IA3": peft.IA3Config}


def adapted(base: Path, folder: Path, spec=RTE, kind: str = "LORA", **options: object):
    """Write an adapter of `base` as PEFT does, with weights that are no start's; return PEFT's model."""
    labels = {"num_labels": len(spec.labels)} if spec is RTE else {}
    auto = (AutoModelForSeq2SeqLM if spec is RTE and base.name in ("t5", "mt5") else
            AutoModelForMultipleChoice if spec is QASC else AutoModelForSequenceClassification)
    torch.manual_seed(1)
    model = auto.from_pretrained(base, **(labels if auto is not AutoModelForSeq2SeqLM else {}))
    whole = peft.get_peft_model(model, KINDS[kind](**options))
    with torch.no_grad():
        for p in whole.parameters():
            if p.requires_grad:
                p.add_(torch.randn_like(p) / 5)
    whole.save_pretrained(folder)
    return whole.eval()


def bert_adapter(tiny, tmp_path, **options: object) -> Path:
    """Return the folder of a LoRA adapter of the tiny BERT, with its head."""
    adapted(tiny("bert"), tmp_path / "adapter", **{"r": 4, "target_modules": ["query", "value"],
                                                   "modules_to_save": ["classifier"], **options})
    return tmp_path / "adapter"
