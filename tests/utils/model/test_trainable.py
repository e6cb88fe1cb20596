"""What `--train` trains, in every family and with every kind of head: that moves in a step, and nothing else."""

import re

import pytest
import torch

from tests.loading import KIND_NAMES, KINDS, ROWS, loaded
from tests.tiny import QASC, STSB, tiny_once
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
    "mt5-rte-words": "lm_head"}
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
@pytest.mark.parametrize("family, spec, words", KINDS, ids=KIND_NAMES)
def test_the_head_moves_and_what_is_named_and_nothing_else(tmp_path_factory, family, spec, words, train):
    model, tokenizer = loaded(tiny_once(tmp_path_factory.getbasetemp(), family), spec, text_to_text=words)
    kind = KIND_NAMES[KINDS.index((family, spec, words))]
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
