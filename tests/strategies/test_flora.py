"""FLoRA: the matrices take up exactly the mean of the clients' products, of any ranks; adapters begin afresh."""

import numpy as np
import pytest

from strategies.flora import FLoRA
from tests.strategies.adapters import ALPHA, RANK, begin, errors, layout, merged, tensors, trained
from utils.model.trained.lora import Flags


@pytest.mark.parametrize("lora_r", ["4", "4,1,2", "1,4"])
def test_the_mean_of_the_clients_matrices_to_the_last_digits_of_float32(lora_r):
    assert max(errors(FLoRA, 3, lora_r)) < 1e-6


def test_each_round_begins_with_adapters_of_its_own():
    method = FLoRA(None, layout(), Flags(lora_r=str(RANK), lora_alpha=ALPHA))
    ends = [tensors(merged(method, begin(), trained(method, begin(), number), number)) for number in (1, 1, 2)]
    drawn = [{name: tensor for name, tensor in end.items() if ".lora_A." in name} for end in ends]
    for name, tensor in drawn[0].items():
        assert np.array_equal(tensor, drawn[1][name]) and not np.array_equal(tensor, drawn[2][name])
        limit = tensor.shape[1] ** -0.5
        assert 0.9 * limit < np.abs(tensor).max() <= limit and abs(tensor.mean()) < limit / 4
    assert len({tensor.tobytes() for tensor in drawn[0].values()}) == 3
    assert all((tensor == 0).all() for name, tensor in ends[2].items() if ".lora_B." in name)


def test_a_client_s_products_are_stacked_at_its_own_scale():
    """By hand: one layer's rows of A below each other, its columns of B, scaled, beside each other."""
    flags = Flags(lora_r="4,2", lora_alpha=ALPHA)
    method = FLoRA(None, layout(), flags)
    clients = trained(method, begin(), 1)
    parts = [tensors(client) for client in clients]
    scales = np.array([3, 1, 4]) / 8 * ALPHA / np.array([4, 2, 4])
    a = np.concatenate([each["plain.lora_A.default.weight"] for each in parts])
    b = np.concatenate([scale * each["plain.lora_B.default.weight"] for scale, each in zip(scales, parts)], axis=1)
    new = tensors(merged(method, begin(), clients, 1))["plain.base_layer.weight"]
    np.testing.assert_allclose(new, tensors(begin())["plain.base_layer.weight"] + b @ a, rtol=0, atol=1e-5)
