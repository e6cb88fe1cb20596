"""What `--train` trains, in every family and with every kind of head: that moves in a step, and nothing else."""

import re

import pytest
import torch
from transformers import (
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
    ModernBertConfig,
    MPNetConfig,
    XLNetConfig,
)

from tests.loading import KIND_NAMES, KINDS, ROWS, loaded
from tests.tiny import MULTIPLE_CHOICE, QASC, STSB, tiny_once
from utils.config import RunConfig
from utils.errors import UserError
from utils.model.trainable import choose_trained, head_of

#: family and kind → its head's tensors, by hand; without them, an --train that needs a head is refused
HEADS = {
    "bert-rte": "bert.pooler.dense classifier", "distilbert-rte": "pre_classifier classifier",
    "electra-rte": "classifier.dense classifier.out_proj", "albert-rte": "albert.pooler classifier",
    "roberta-rte": "classifier.dense classifier.out_proj", "xlm-roberta-rte": "classifier.dense classifier.out_proj",
    "deberta-v2-rte": "pooler.dense classifier", "bart-rte": "classification_head.dense classification_head.out_proj",
    "gpt2-rte": "score", "gpt2-stsb": "score", "bert-qasc": "bert.pooler.dense classifier",
    "roberta-qasc": "roberta.pooler.dense classifier", "bart-rte-words": "", "t5-rte-words": "",
    "mt5-rte-words": "lm_head",
    "distilbert-qasc": "pre_classifier classifier", "electra-qasc": "sequence_summary.summary classifier",
    "albert-qasc": "albert.pooler classifier", "xlm-roberta-qasc": "roberta.pooler.dense classifier",
    "deberta-v2-qasc": "pooler.dense classifier"}
CHOICES = [(family, QASC, False) for family in MULTIPLE_CHOICE if (family, QASC, False) not in KINDS]
CHOICE_NAMES = [f"{family}-qasc" for family, *_ in CHOICES]
WITHOUT_BIAS = ("gpt2-rte", "gpt2-stsb", "mt5-rte-words")  # of the head


def config_of(train: str, **flags: object) -> RunConfig:
    return RunConfig.of(train=train, **flags)


def batch_of(model, tokenizer, spec, words: bool) -> dict[str, torch.Tensor]:
    """Return a batch of three rows, of one question with three choices with multiple choice."""
    batch = dict(tokenizer(list(ROWS), padding=True, return_tensors="pt"))
    if spec is QASC:
        return {key: value[None] for key, value in batch.items()} | {"labels": torch.tensor([1])}
    labels = [[5, 6]] * 3 if words else [0.5, 1.0, 2.0] if spec is STSB else [0, 1, 0]
    return batch | {"labels": torch.tensor(labels)}


def moved(model, batch) -> set[str]:
    """Return the names of the parameters that a step of SGD moves by at least a bit."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trained = [p for p in model.parameters() if p.requires_grad]
    for _ in range(2):  # an adapter's A only moves once its B has
        model.zero_grad()
        model.train()(**batch).loss.backward()
        torch.optim.AdamW(trained, lr=1e-2, weight_decay=0.1).step()
    return {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}


@pytest.mark.parametrize("train", ["head", "bias", "lora"])
@pytest.mark.parametrize("family, spec, words", [*KINDS, *CHOICES], ids=[*KIND_NAMES, *CHOICE_NAMES])
def test_the_head_moves_and_what_is_named_and_nothing_else(tmp_path_factory, family, spec, words, train):
    model, tokenizer = loaded(tiny_once(tmp_path_factory.getbasetemp(), family), spec, text_to_text=words)
    kind = f"{family}-{spec.name}{'-words' * words}"
    suffixes = ("weight",) if kind in WITHOUT_BIAS else ("weight", "bias")
    head = {f"{layer}.{suffix}" for layer in HEADS[kind].split() for suffix in suffixes}
    assert {*head_of(model)} == head
    biases = {name for name, _ in model.named_parameters() if name.endswith("bias")} - head
    if train == "head" and not head or train == "bias" and not biases:
        with pytest.raises(UserError, match=f"--train {train}: .*; give --train all or lora"):
            choose_trained(model, config_of(train))
        return
    choose_trained(model, config_of(train))
    adapters = {name for name, _ in model.named_parameters() if ".lora_" in name}
    assert bool(adapters) == (train == "lora")
    found = moved(model, batch_of(model, tokenizer, spec, words))
    wanted = head | (biases if train == "bias" else adapters)
    # A softmax takes out what it adds to all: a key's bias, and with multiple choice the last layer's
    pattern = "key|k_proj|k_lin" + "|^classifier.bias" * (spec is QASC)
    unread = {name for name in wanted if re.search(pattern, name)}
    assert found - unread == wanted - unread and found <= wanted


SIZES = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
         "pad_token_id": 1}
#: families without a tiny model on disk: configuration, and the head's layers for classification and multiple choice
OTHERS = {"mpnet": (MPNetConfig(**SIZES), "classifier.dense classifier.out_proj", "mpnet.pooler.dense classifier"),
          "modernbert": (ModernBertConfig(**SIZES), *["head.dense head.norm classifier"] * 2),
          "xlnet": (XLNetConfig(vocab_size=99, d_model=32, n_layer=2, n_head=2, d_inner=64),
                    *["sequence_summary.summary logits_proj"] * 2)}


@pytest.mark.parametrize("train", ["head", "lora"])
@pytest.mark.parametrize("choice", [False, True])
@pytest.mark.parametrize("family", OTHERS)
def test_the_head_of_other_families_moves_too(family, choice, train):
    config, *heads = OTHERS[family]
    torch.manual_seed(0)
    auto = AutoModelForMultipleChoice if choice else AutoModelForSequenceClassification
    model = auto.from_config(config)
    names = {name for name, _ in model.named_parameters() if name.rpartition(".")[0] in heads[choice].split()}
    assert {*head_of(model)} == names and len({name.rpartition(".")[0] for name in names}) == len(heads[choice].split())
    own = {"lora_targets": "layer_1,layer_2"} if (family, train) == ("xlnet", "lora") else {}  # its attention has none
    choose_trained(model, config_of(train, **own))
    ids = torch.randint(5, 99, (1, 3, 7) if choice else (3, 7))
    found = moved(model, {"input_ids": ids, "labels": torch.tensor([1] if choice else [0, 1, 0])})
    adapters = {name for name, _ in model.named_parameters() if ".lora_" in name}
    unread = {name for name in names if choice and re.search("^(classifier|logits_proj).bias", name)}
    assert found - unread == names - unread | adapters and bool(adapters) == (train == "lora")
