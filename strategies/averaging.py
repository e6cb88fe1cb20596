"""FedAvg (McMahan et al. 2017, arXiv:1602.05629, algorithm 1), with frac_fit < 1 partial averaging."""

from strategies import Strategy


class Averaging(Strategy):
    """w ← Σ nₖ·wₖ / Σ nₖ, the mean of the clients' models wₖ, weighted by their rows nₖ."""

    alone = True
