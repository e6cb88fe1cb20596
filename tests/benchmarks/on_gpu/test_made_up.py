"""The made-up rows have the lengths that were asked for, and a forward pass the operations that are counted for it."""

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from benchmarks.on_gpu.made_up import LONGEST, Size, like_rte, write_model, write_rows
from benchmarks.rows import open_rows


def test_rows_have_their_lengths_and_a_label_that_can_be_learnt(tmp_path):
    size = Size("a size", 32, 2, 0)
    model, lengths = write_model(tmp_path / "model", size), np.array([12, 40, 25, 250, 60, 61])
    write_rows(tmp_path / "data", AutoTokenizer.from_pretrained(model), lengths, lengths[:3])
    data = open_rows(["--data", "rte", "--data_dir", tmp_path / "data", "--model", model, "--max_length", 256])
    assert data.tokens["train"].lengths.tolist() == lengths.tolist()
    assert data.tokens["test"].lengths.tolist() == lengths[:3].tolist()
    first = [int(data.tokens["train"].sequences(row)[0][1]) for row in range(6)]
    assert first[0::2] == first[:1] * 3 and first[1::2] == first[1:2] * 3 and first[0] != first[1]
    assert data.labels["train"].tolist() == [0, 1] * 3


def test_lengths_are_like_rtes():
    lengths = like_rte(2000)
    assert 55 < np.median(lengths) < 65 and lengths.min() >= 12 and 200 < lengths.max() <= LONGEST
    assert np.array_equal(lengths, like_rte(2000)) and not np.array_equal(lengths, like_rte(2000, 1))


def test_the_operations_of_a_forward_pass_are_those_that_torch_counts(tmp_path):
    size = Size("a size", 128, 3, 0)
    model = AutoModelForSequenceClassification.from_pretrained(write_model(tmp_path, size),
                                                               attn_implementation="eager").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=torch.full((4, 50), 7))
    head = 2 * 4 * 128 * (128 + 2)  # pooler and classifier, which are left out
    assert counter.get_total_flops() - head == size.flops(np.full(4, 50))
