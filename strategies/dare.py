"""DARE: drop most of each update at random and rescale the rest (Yu et al. 2024, arXiv:2311.03099, equation 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategies import Array, Round, Strategy
from strategies.ties import agreeing_mean
from utils.flags import PART, flag
from utils.seeds import generator
from utils.vectors.gram import combination
from utils.vectors.updates import updates


class Dare(Strategy):
    """w ← before + mean of the updates, of which each element is kept with probability `density` and divided by
    it, else 0.

    The mean is weighted by the clients' rows. With `elect` it is, for each parameter, that of the kept updates whose
    sign is that of their sum, as in TIES.
    """

    @dataclass(frozen=True)
    class Flags:
        density: float = flag(0.1, "probability that an element of an update is kept (1 - the drop rate)",
                              valid=PART)
        elect: bool = flag(False, "of what is kept, merge what has the elected sign, as TIES does")

    group = "merging"
    streams = False

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Array], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        new, shares = before.copy(), round.shares
        draws = [draws_from(window.start, round.seed, round.number, one.client) for one in round.participants]
        for part, values in updates(before, clients, slice(0, len(before))):
            for value, drawn in zip(values, draws):
                value *= drawn.random(len(value), dtype=np.float32) < self.flags.density
            merged = agreeing_mean(round.weights, values) if self.flags.elect else combination(shares, values)
            new[part] += merged / self.flags.density
        return new


def draws_from(position: int, seed: int, number: int, client: int) -> np.random.Generator:
    """Return the generator whose next float32 is that of an element of a client's update in round `number`.

    So neither windows nor threads change what is dropped. Two float32 come from each step of the generator.
    """
    drawn = generator(seed, "dare", number, client)
    assert isinstance(drawn.bit_generator, np.random.PCG64)
    drawn.bit_generator.advance(position // 2)
    drawn.random(position % 2, dtype=np.float32)
    return drawn
