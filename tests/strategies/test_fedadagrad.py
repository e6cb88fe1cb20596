"""FedAdagrad against Flower's own, through whole rounds."""

from flwr.server.strategy import FedAdagrad as FlowersFedAdagrad

from strategies.fedadagrad import FedAdagrad
from tests.strategies.rounds import LAYOUT, against_flowers


def test_it_is_flowers():
    against_flowers(FedAdagrad(FedAdagrad.Flags(server_lr=0.01), LAYOUT),
                    lambda **start: FlowersFedAdagrad(eta=0.01, tau=1e-3, **start))
