"""The operations of a run's products are those that torch counts."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.products import forward_operations, operations_per_second
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


def test_a_rate_is_of_all_cores():
    def slow(x, weight):
        torch.nn.functional.linear(x, weight)
        torch.linalg.inv(torch.eye(300))

    fast = operations_per_second(CONFIG, torch.float32, 1)
    assert fast > 2 * operations_per_second(CONFIG, torch.float32, 1, slow) > 0
