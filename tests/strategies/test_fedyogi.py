"""FedYogi against Flower's own, through whole rounds."""

from flwr.server.strategy import FedYogi as FlowersFedYogi

from strategies.fedyogi import FedYogi
from tests.strategies.rounds import LAYOUT, against_flowers


def test_it_is_flowers():
    against_flowers(FedYogi(FedYogi.Flags(server_lr=0.01), LAYOUT),
                    lambda **start: FlowersFedYogi(eta=0.01, beta_1=0.9, beta_2=0.99, tau=1e-3, **start))
