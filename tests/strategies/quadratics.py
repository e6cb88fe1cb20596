"""Rounds on quadratic losses, whose fixed points are known: a method's real hooks, with plain gradient steps."""

from dataclasses import dataclass

import numpy as np
import torch

from strategies import Participant, Round, Strategy
from utils.vectors.layout import Layout, Place

N = 6
LAYOUT = Layout(N, (Place("w", (N,), slice(0, N)),))


@dataclass(frozen=True)
class Quadratics:
    """Clients' losses Σ curve/2·(w − best)², float64 [K, N] each; with `rows` and `steps`, [K] each, of `lr`."""

    curve: np.ndarray
    best: np.ndarray
    rows: tuple[int, ...] = (3, 1, 4)
    steps: tuple[int, ...] = (2, 7, 20)
    lr: float = 0.02

    @classmethod
    def drawn(cls, seed: int = 0, **others: object) -> "Quadratics":
        """Return losses whose curvatures and minima differ."""
        rng = np.random.default_rng(seed)
        return cls(rng.uniform(0.5, 3, (3, N)), rng.standard_normal((3, N)), **others)

    @property
    def shares(self) -> np.ndarray:
        """The clients' shares of the rows, [K, 1]."""
        return np.array(self.rows)[:, None] / sum(self.rows)

    def moved(self, extra: float = 0.0) -> np.ndarray:
        """Return which part of the way to its minimum a client goes in a round, [K, N], with a curvature of `extra`."""
        return 1 - (1 - self.lr * (self.curve + extra)) ** np.array(self.steps)[:, None]

    def balance(self, pull: np.ndarray) -> np.ndarray:
        """Return the w at which Σ pull·(best − w) is 0, [N]."""
        return (pull * self.best).sum(0) / pull.sum(0)

    def played(self, method: Strategy, rounds: int = 2000) -> np.ndarray:
        """Return where `method` is after so many rounds of all clients, float64 [N]."""
        vector, kept = np.zeros(N), [np.zeros(N) for _ in range(method.server_vectors)]
        own = [[torch.zeros(N, dtype=torch.float64) for _ in range(method.client_vectors)] for _ in self.rows]
        of = tuple(Participant(k, rows, steps) for k, (rows, steps) in enumerate(zip(self.rows, self.steps)))
        weights = tuple(map(method.weight, of))
        for number in range(1, rounds + 1):
            received = [torch.from_numpy(one.copy()) for one in (vector, *kept)][:method.sent]
            sent = [self.update(k, received, method.term(received, own[k])) for k in range(len(of))]
            means = [np.average(each, axis=0, weights=weights) for each in zip(*sent)]
            method.step(Round(number, 0, len(of), of, weights), slice(0, N), vector,
                        tuple(means) if method.returned > 1 else means[0], kept)
            vector = means[0]
        return vector

    def update(self, k, received, term):
        """Return what client `k` sends."""
        values, place = received[0].clone(), slice(0, N)
        for _ in range(self.steps[k]):
            step = torch.from_numpy(self.curve[k]) * (values - torch.from_numpy(self.best[k]))
            for added in (term.gradient, term.direction) if term else ():
                step = step + added(values, place) if added else step
            values = values - self.lr * step
        beside = term.returned(values, self.lr * self.steps[k]) if term and term.returned else ()
        return [each.numpy() for each in (values, *beside)]
