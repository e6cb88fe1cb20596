"""RoLoRA: A and B are trained in turn, so that the mean of the one that moves is exact."""

import numpy as np

from strategies.averaging import Averaging
from strategies.rolora import RoLoRA
from tests.strategies.adapters import begin, errors, layout, merged, tensors, trained
from utils.model.trained.lora import Flags


def test_the_mean_of_the_clients_matrices_to_the_last_digits_of_float32():
    assert max(errors(RoLoRA, 4)) < 1e-6 < 0.3 < min(errors(Averaging, 4))


def test_b_moves_in_odd_rounds_and_a_in_even_ones():
    method = RoLoRA(None, layout(False), Flags())
    state = begin(False)
    for number in (1, 2, 3):
        new = merged(method, state, trained(method, state, number), number)
        for name, tensor in tensors(new, False).items():
            stays = ".lora_A." in name if number % 2 else ".lora_B." in name
            assert np.array_equal(tensor, tensors(state, False)[name]) == stays
        state = new
