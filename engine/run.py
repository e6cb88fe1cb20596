"""A run as an engine runs it: all that is decided before its first round, as one value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from utils.failure import Failure

if TYPE_CHECKING:  # heavy, and an engine starts before they are needed
    import numpy as np

    from clients.job import Job, Piece
    from engine.flower_strategy import FlowerStrategy
    from utils.record.known_evaluation import KnownEvaluation
    from utils.record.progress import Progress

#: cut(workers, round, clients) → the pieces of a round's work, in the order they should start
Cut: TypeAlias = "Callable[[int, int, Sequence[int]], list[Piece]]"


class Observer(Protocol):
    """What an engine reports a run's rounds to."""

    def round(self, server_round: int, clients: list[dict], failures: list[str], evaluation: dict | None,
              seconds: dict[str, float], diagnosed: dict | None) -> str:
        """Take a round's outcome; return what the status line shows of it.

        `clients` and `failures` are as FlowerStrategy.aggregate gives them (empty in round 0), `evaluation` as its
        `columns` does, or None where the round has none; `seconds` are those of each phase.
        `diagnosed` is what engine/diagnosis.py makes of a round, None of one that is not diagnosed.
        """

    def failure(self, server_round: int, what: str, number: int, failure: Failure) -> None:
        """Take the `number`-th failure of a piece of a round's work, `what`."""


@dataclass(frozen=True)
class Run:
    """Rounds `first` to the last of `job`'s configuration, with the vectors that `strategy` holds.

    `known`: where the evaluation of round 0 is kept for runs that begin alike; None where it is not.
    `held_out_loss`: as engine/set_up.py makes it, for `--diagnose`; None without held-out rows.
    """

    job: "Job"
    cut: Cut
    strategy: "FlowerStrategy"
    observer: Observer
    progress: "Progress"
    first: int = 0
    known: "KnownEvaluation | None" = None
    held_out_loss: "Callable[[list[np.ndarray]], float] | None" = None
