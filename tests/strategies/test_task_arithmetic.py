"""Task arithmetic against PEFT's and the formula."""

import numpy as np
import pytest
import torch
from peft.utils.merge_utils import task_arithmetic

from strategies.task_arithmetic import TaskArithmetic
from tests.strategies.rounds import LAYOUT, ROWS, initial, once, updated


@pytest.mark.parametrize("scale", [0.4, -1.0])
def test_it_is_pefts_whatever_the_rows(scale):
    start, clients = initial(), updated(initial(), 1)
    deltas = [torch.from_numpy(client - start) for client in clients]
    expected = start + task_arithmetic(deltas, torch.full((3,), scale)).numpy()
    mine = once(TaskArithmetic(TaskArithmetic.Flags(scale=scale), LAYOUT), start, clients, ROWS)
    np.testing.assert_allclose(mine, expected, atol=1e-6)
