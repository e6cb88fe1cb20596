"""DiLoCo's outer step against PyTorch's SGD with Nesterov momentum, through whole rounds."""

import numpy as np
import pytest
import torch

from strategies.nesterov import Nesterov
from tests.strategies.rounds import LAYOUT, ROWS, initial, play, server, updated
from utils.errors import UserError
from utils.flags import check_flags


@pytest.mark.parametrize("lr, momentum", [(0.7, 0.9), (0.3, 0.5)])
def test_it_is_pytorchs(tmp_path, lr, momentum):
    vector = torch.from_numpy(initial().astype(np.float64)).requires_grad_()
    optimizer = torch.optim.SGD([vector], lr=lr, momentum=momentum, nesterov=True)
    for number in (1, 2, 3):
        before = vector.detach().numpy().copy()
        mean = np.array(ROWS) @ np.array(updated(before.astype(np.float32), number), np.float64) / sum(ROWS)
        vector.grad = torch.from_numpy(before - mean)
        optimizer.step()
    method = Nesterov(Nesterov.Flags(server_lr=lr, server_momentum=momentum), LAYOUT)
    np.testing.assert_allclose(play(server(method, str(tmp_path)), 1, 3).vector, vector.detach().numpy(), atol=2e-6)


def test_a_momentum_of_1_is_an_error():
    with pytest.raises(UserError, match=r"--server_momentum 1\.0: must be a number from 0 to below 1"):
        check_flags(Nesterov.Flags(server_momentum=1.0))
