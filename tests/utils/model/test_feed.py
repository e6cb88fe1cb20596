"""How batches come to the device, and that a training step then asks the device for no number."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from clients.optimizer import FlatAdamW
from tests.loading import loaded
from tests.tiny import RTE, tiny_once
from tests.toy import toy_table
from utils.config import RunConfig
from utils.data.tokens import open_tokens
from utils.model.feed import feeding
from utils.model.heads import make_head
from utils.model.lengths import length_rule
from utils.model.varlen import varlen_encoder
from utils.vectors.parameters import ParameterVector

CPU = torch.device("cpu")
#: what has to know a tensor's values before the next operation can begin; on a GPU the process waits for them
WAITING = {"aten._local_scalar_dense.default", "aten.nonzero.default", "aten.masked_select.default",
           "aten.equal.default", "aten.is_nonzero.default", "aten._unique2.default"}


class Waits(TorchDispatchMode):
    """Notes the operations of WAITING."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if str(func) in WAITING:
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    base = tmp_path_factory.mktemp("feed")
    return base, toy_table(base)


def collated(rows, family, length=None):
    """Return (model, head, a batch of 6 rows)."""
    base, table = rows
    model, tokenizer = loaded(tiny_once(base, family), RTE, seed=3, max_length=32)
    tokens = open_tokens(table, "train", tokenizer, max_length=32, text_to_text=False, cache=base / "tokens")
    head = make_head(RTE, tokenizer, False)
    if length:
        head.padded = lambda longest: length
    return model, head, head.collate(tokens, np.arange(6), table.split("train")["label"].to_numpy()[:6].astype(float))


@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_a_training_step_waits_for_nothing(rows, family):
    model, head, batch = collated(rows, family)
    optimizer = FlatAdamW(ParameterVector(model), 0.01)
    assert not batch["attention_mask"].all()

    def step(batch):
        with Waits() as waits:
            optimizer.optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = head.loss(model.train(), batch)
            (loss * 0.5).backward()
            torch.nn.utils.clip_grad_norm_(optimizer.parameters, 1.0)
            optimizer.update(1e-3)
        return waits.found

    assert step(batch)  # the model's own way with a mask waits
    with varlen_encoder(model, CPU, torch.bfloat16, 10**6) as feed:
        brought = feed(batch)
        assert step(brought) == []


def test_an_evaluated_batch_waits_for_nothing(rows):
    model, head, batch = collated(rows, "bert")
    with varlen_encoder(model.eval(), CPU, torch.float32, 10**6) as feed, torch.inference_mode():
        brought = feed(batch)
        with Waits() as waits:
            head.evaluate(model, brought)
    assert waits.found == []


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "gpt2", "xlm-roberta"])
def test_more_padding_changes_the_last_bits_alone(rows, family):
    model, head, batch = collated(rows, family)
    longer = collated(rows, family, length_rule(CPU, True, 48)(batch["input_ids"].shape[1] + 1))[2]
    assert longer["input_ids"].shape[1] > batch["input_ids"].shape[1]
    with torch.no_grad():
        assert torch.allclose(head.scores(model, batch), head.scores(model, longer), rtol=1e-5, atol=1e-6)


def test_on_the_cpu_a_batch_stays_where_it_is(rows):
    model, _, batch = collated(rows, "bert")
    with feeding(model, CPU, RunConfig(data="rte"), "fp32") as feed:
        assert feed(batch) is batch and "forward" in vars(model.base_model.encoder)
    with feeding(model, CPU, RunConfig(data="rte", compile=True), "fp32") as feed:
        assert feed(batch) is batch and "forward" not in vars(model.base_model.encoder)
