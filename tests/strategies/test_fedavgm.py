"""FedAvgM against Flower's own, through whole rounds."""

import numpy as np
import pytest
from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server.strategy import FedAvgM as FlowersFedAvgM

from strategies.fedavgm import FedAvgM
from tests.strategies.rounds import LAYOUT, ROWS, answer, initial, play, server, updated


@pytest.mark.parametrize("by_reference", [True, False])
@pytest.mark.parametrize("lr", [1.0, 0.5])
def test_it_is_flowers(tmp_path, by_reference, lr):
    vector = initial()
    theirs = FlowersFedAvgM(server_momentum=0.9, server_learning_rate=lr,
                            initial_parameters=ndarrays_to_parameters([vector]))
    for number in (1, 2, 3):
        answers = [(None, answer(k, [one], ROWS[k])) for k, one in enumerate(updated(vector, number))]
        parameters, _ = theirs.aggregate_fit(number, answers, [])
        vector, = parameters_to_ndarrays(parameters)
        theirs.initial_parameters = parameters
    mine = play(server(FedAvgM(FedAvgM.Flags(server_lr=lr), LAYOUT), str(tmp_path) if by_reference else ""), 1, 3)
    np.testing.assert_allclose(mine.vector, vector, rtol=1e-5, atol=1e-6)
