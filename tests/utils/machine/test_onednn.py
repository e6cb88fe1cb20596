"""oneDNN's product against that in float64, of factors as they lie and transposed."""

import pytest
import torch

from utils.machine.onednn import product


@pytest.mark.parametrize("rows, inner, columns", [(5, 7, 3), (1, 384, 2), (6, 1, 4), (257, 384, 96), (0, 7, 3)])
@pytest.mark.parametrize("bias", [False, True])
def test_it_is_the_product(rows, inner, columns, bias):
    torch.manual_seed(0)
    x, y, b = torch.randn(rows, inner), torch.randn(columns, inner), torch.randn(columns) if bias else None
    exact = torch.nn.functional.linear(x.double(), y.double(), None if b is None else b.double())
    turned = [factor.mT.contiguous().mT for factor in (x, y)]
    for left in (x, turned[0]):
        for right in (y, turned[1]):
            found = product(left, right, b)
            assert found.dtype == torch.float32
            assert torch.allclose(found.double(), exact, rtol=1e-5, atol=1e-5 * inner ** 0.5)
    stacked = product(x.expand(2, rows, inner).contiguous(), y, b)
    assert torch.allclose(stacked.double(), exact.expand(2, rows, columns), rtol=1e-5, atol=1e-5 * inner ** 0.5)
