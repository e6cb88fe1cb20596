"""Multi-Krum: the mean of the updates with the nearest neighbours (Blanchard et al. 2017, arXiv:1703.02757, section 7).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from strategies import Array, Round
from strategies.krum import Krum, byzantine
from utils.console import NOTES
from utils.errors import UserError
from utils.flags import WHOLE_FROM_0, flag
from utils.vectors.gram import combination


class MultiKrum(Krum):
    """w ← mean of the `keep` wₖ with the least scores, which are Krum's; clients count alike, whatever their rows."""

    @dataclass(frozen=True)
    class Flags(Krum.Flags):
        keep: int = flag(0, "updates of a round that are averaged (0: K - f of the K, as published)",
                         valid=WHOLE_FROM_0)

    @classmethod
    def check(cls, flags: Any, participants: int) -> None:
        super().check(flags, participants)
        if flags.keep > participants:
            raise UserError(f"--keep {flags.keep}: a round may have {participants} clients only; give a lower one")
        if kept_of(flags, participants) == participants:
            NOTES.warning("--strategy multi_krum keeps all of %d clients: this is their plain mean", participants)

    def merge(self, round: Round, window: slice, before: Array, clients: Sequence[Any], seen: Sequence[Array],
              kept: Sequence[Array]) -> Array:
        best = sorted(self._ranked(seen[0])[:kept_of(self.flags, len(clients))])
        return combination(np.full(len(best), 1 / len(best)), [clients[k] for k in best])


def kept_of(flags: Any, participants: int) -> int:
    """Return how many updates are averaged in a round of so many clients."""
    return flags.keep or participants - byzantine(flags, participants)
