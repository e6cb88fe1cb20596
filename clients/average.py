"""The running average of a client's weights, which it returns instead of its last ones (`--client_average`).

`swa` weighs the weights after each of a round's steps alike, from `--client_average_from` of them on: half of them by
default, as suffix averaging does (Rakhlin et al. 2012, arXiv:1109.5647). SWA itself (Izmailov et al. 2018,
arXiv:1803.05407) averages once an epoch over the last quarter of a run, LAWA (Kaddour 2022, arXiv:2209.14981) latest
checkpoints; a client's round has fewer steps. `ema` forgets: a step later, weights count DECAY times as much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch

from utils.config import RunConfig

DECAY = 0.95  # about the last 20 steps: a client's round often has no more than some tens
Tensors = Sequence[tuple[torch.nn.Parameter, slice]]  # what is trained, each with its place in the vector


@dataclass
class RunningAverage:
    """`values`: float32 [n], the average of the weights so far; `travelled`: that of the sums of rates up to each."""

    values: torch.Tensor
    travelled: float = 0.0

    @torch.no_grad()
    def add(self, tensors: Tensors, travelled: float, share: float) -> None:
        """Move by `share` of the way to the weights of `tensors`, and to the rates `travelled` so far."""
        averages = [self.values[place].view_as(parameter) for parameter, place in tensors]
        torch._foreach_lerp_(averages, [parameter for parameter, _ in tensors], share)
        self.travelled += share * (travelled - self.travelled)

    @torch.no_grad()
    def hand_over(self, tensors: Tensors) -> None:
        """Give the `tensors` their averages."""
        for parameter, place in tensors:
            parameter.copy_(self.values[place].view_as(parameter))


def share_of_step(config: RunConfig, made: int, steps: int) -> float:
    """Return what the weights after `made` of a round's `steps` count in the average so far; 0: it has not begun.

    That after the first step that counts is 1. The last step always counts.
    """
    number = made - min(int(Fraction(str(config.client_average_from)) * steps), steps - 1)
    if config.client_average == "none" or number < 1:
        return 0.0
    return 1 / number if config.client_average == "swa" else (1 - DECAY) / (1 - DECAY**number)
