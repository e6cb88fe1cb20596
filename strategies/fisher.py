"""Fisher merging: each parameter goes where it matters (Matena & Raffel 2022, arXiv:2111.09832, equations 3 and 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from strategies import Array, Probe, Round, Strategy
from utils.flags import WHOLE_FROM_0, flag

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 1e-20  # beside what matters nothing; where no client's model depends on a parameter, it makes the mean


class Fisher(Strategy):
    """w ← Σ nₖ·Fₖ·wₖ / Σ nₖ·Fₖ, by elements: Fₖ = E over rows x and y ∼ p(y|x, wₖ) of (∇ log p(y|x, wₖ))².

    The expectation over y is exact: over the classes, the choices, or the label words of a text-to-text model; of a
    score, the model's distribution is the normal one of variance 1 around it.
    """

    @dataclass(frozen=True)
    class Flags:
        probe_rows: int = flag(128, "rows of each client that its model is measured on (0: all)", valid=WHOLE_FROM_0)

    group = "merging"
    streams = False
    returned = 2  # the model and F

    def measured(self, probe: Probe) -> "Sequence[Tensor]":
        fisher, n = probe.values.new_zeros(len(probe.values)), 0
        for batch in probe.rows(self.flags.probe_rows):
            n += 1
            for probability, value in outcomes(probe.scores(batch)[0]):
                for place, gradient in probe.gradient(value):
                    if isinstance(place, slice):
                        fisher[place].addcmul_(gradient, gradient, value=probability)
                    else:
                        fisher[place] += probability * gradient.square()
        return [fisher / n]

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Any], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        total, weights = np.zeros(len(before)), np.zeros(len(before))
        for rows, (model, fisher) in zip(round.weights, clients):
            weight = rows * (fisher.astype(np.float64) + FLOOR)
            total += weight * model
            weights += weight
        return total / weights


def outcomes(scores: "Tensor") -> "list[tuple[float, Tensor]]":
    """Return (p, f) of one row's `scores` such that Σ p·(∇f)² is the expectation of (∇ log p(y))² over y.

    Of one score s, y ∼ N(s, 1): ∇ log p(y) = (y − s)·∇s, whose square's expectation is (∇s)². Of two outcomes,
    ∇ log p₀ = p₁·∇(s₀ − s₁) and ∇ log p₁ = −p₀·∇(s₀ − s₁): one gradient does for both.
    """
    if len(scores) == 1:
        return [(1.0, scores[0])]
    log_p = scores.log_softmax(-1)
    p = log_p.exp().tolist()
    return [(p[0] * p[1], scores[0] - scores[1])] if len(p) == 2 else list(zip(p, log_p))
