"""FedNova: normalised averaging (Wang et al. 2020, arXiv:2007.07481, equation 6)."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from strategies import Array, Participant, Round, Strategy


class FedNova(Strategy):
    """w ← before + τ·Σ pₖ·(wₖ − before)/τₖ, where pₖ are shares of the rows, τₖ local steps and τ = Σ pₖ·τₖ.

    Where all clients make equally many steps this is the plain mean. The paper's τₖ is the norm of the weights by which
    a client's steps add up, ‖aₖ‖₁: AdamW's steps are each about as long as the learning rate, whatever the gradient's
    size, and the schedule gives all clients of a round about the same rates, so here each step counts 1.
    """

    group = "client-side terms"

    def weight(self, participant: Participant) -> float:
        return participant.rows / participant.steps

    def step(self, round: Round, window: slice, before: Array, mean: Any, kept: Sequence[Array]) -> None:
        longer = scale(round.participants)
        if longer != 1:
            mean -= before
            mean *= longer
            mean += before


def scale(participants: Sequence[Participant]) -> float:
    """Return τ·Σ(pₖ/τₖ), by which the mean of weights pₖ/τₖ falls short; 1 where all make equally many steps."""
    rows = sum(one.rows for one in participants)
    steps = sum(one.rows * one.steps for one in participants)
    return float(Fraction(steps, rows**2) * sum(Fraction(one.rows, one.steps) for one in participants))
