"""Krum: the update with the nearest neighbours (Blanchard et al. 2017, arXiv:1703.02757, section 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from strategies import Array, Round, Strategy
from utils.errors import UserError
from utils.flags import MANY, flag
from utils.vectors.gram import gram, squared_distances


class Krum(Strategy):
    """w ← the wₖ with the least Σ ‖wₖ − wⱼ‖² over the K − f − 2 nearest others j; f of the K clients may send anything.

    Clients count alike, whatever their rows. It needs K ≥ 2f + 3.
    """

    @dataclass(frozen=True)
    class Flags:
        byzantine: int = flag(-1, "clients of a round, f, that may send anything (-1: as many of the K as can be, "
                                  "(K - 3) / 2 rounded down)",
                              valid=(lambda value: -1 <= value <= MANY, "a whole number from 0, or -1"))

    group = "robust means"
    robust = True
    weighted = False
    streams, from_zero = False, True
    looks = 1

    @classmethod
    def check(cls, flags: Any, participants: int) -> None:
        needed = 2 * byzantine(flags, participants) + 3
        if participants < needed:
            lower = f", or a lower --byzantine than {flags.byzantine}" if flags.byzantine > 0 else ""
            raise UserError(f"--strategy {cls.__module__.rpartition('.')[2]}: needs {needed} clients in each "
                            f"round, and may have {participants}; give more by --n_clients, --frac_fit or "
                            f"--min_success{lower}")

    def look(self, number: int, round: Round, window: slice, before: Array, clients: Sequence[Any],
             seen: Sequence[Array]) -> Array:
        return gram(clients, before)

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Any], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        return clients[self._ranked(seen[0])[0]]

    def _ranked(self, products: Array) -> Array:
        """Return the clients' numbers, int64 [K], by their scores, the least first, from the updates' `products`."""
        n = len(products)
        near = max(1, n - byzantine(self.flags, n) - 2)
        ascending = np.sort(squared_distances(products), axis=1)  # the first is a client's distance to itself
        return ascending[:, 1:1 + near].sum(axis=1).argsort(kind="stable")


def byzantine(flags: Any, participants: int) -> int:
    """Return f for a round of so many clients."""
    return max(0, (participants - 3) // 2) if flags.byzantine < 0 else flags.byzantine
