"""The operations of a run's products are those that torch counts."""

import threading
import time
from collections import defaultdict

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.products import TOKENS, TURNS, forward_operations, operations_per_second
from utils.model.dropout import Masks
from utils.model.encoder import fast_encoder

CONFIG = BertConfig(vocab_size=100, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
                    num_labels=3)


@pytest.mark.parametrize("lengths", [(16, 16), (32, 32, 32)])
def test_operations_are_those_that_torch_counts(lengths):
    """Rows of whole grids: the encoder pads others in attention, and the floor does not."""
    model = BertForSequenceClassification(CONFIG).train()
    batch = {"input_ids": torch.ones(len(lengths), lengths[0], dtype=torch.long),
             "labels": torch.zeros(len(lengths), dtype=torch.long)}
    with fast_encoder(model, Masks(np.random.default_rng(0))), FlopCounterMode(display=False) as forward:
        loss = model(**batch).loss
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    assert forward.get_total_flops() == forward_operations(CONFIG, np.array(lengths))
    assert backward.get_total_flops() == 2 * forward.get_total_flops()


def test_a_rate_is_of_all_cores_at_once(monkeypatch):
    """By a clock that each product of a thread moves on by a second, and by three in the first."""
    clocks, met = defaultdict(int), threading.Barrier(2, timeout=10)

    def product(x, weight):
        met.wait()  # the other core's
        clocks[threading.get_ident()] += 1 if clocks[threading.get_ident()] else 3
        return torch.nn.functional.linear(x, weight)

    monkeypatch.setattr(time, "perf_counter", lambda: clocks[threading.get_ident()])
    assert operations_per_second(CONFIG, torch.float32, 2, product) == 2 * 2 * TOKENS * 64 * 96
    assert sorted(clocks.values())[-2:] == [TURNS + 2, TURNS + 2]
