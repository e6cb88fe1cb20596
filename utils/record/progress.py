"""What a run is at, on stderr: one status line on a terminal; elsewhere timed lines, few enough for a log file."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from utils.console import NOTES, SECONDS_OF_SILENCE

if TYPE_CHECKING:  # a run's first line is there before its imports
    import numpy as np

SECONDS_TO_REFRESH = 0.5
LEAST_DONE = 0.05  # of a round, before a time left is shown
#: the parts of a round, in order, and what the pieces of each are called
PARTS = {"training": "clients", "diagnosing": "models", "evaluating": "parts"}


class Progress:
    """Shows phases, and how far each round is; `close` ends it. Times are in seconds.

    A round's pieces are its participants while it trains, then the models that are diagnosed, if any, and the parts of
    the evaluation sets.
    """

    def __init__(self, stream: TextIO | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream or sys.stderr
        self.now = now
        self.began = self.shown_at = now()
        self.text = ""
        self.rounds = self.first = self.round = 0
        self.rounds_began: float | None = None
        self.pieces = self.done = 0
        self.piece_rows = 0
        self.part_began = 0.0
        self.rows_before = 0  # trained on in the rounds before
        self.seconds = dict.fromkeys(PARTS, 0.0)  # in the rounds before, of those from 1 on
        self.shown: np.ndarray | None = None
        self.sizes: Sequence[int] | None = None
        self.clients: Sequence[int] = ()
        self.metric = ""
        self.bar = None
        self._ended = threading.Event()
        if self.stream.isatty():
            from tqdm import tqdm

            self.bar = tqdm(file=self.stream, bar_format="{desc}", leave=False, dynamic_ncols=True)
        threading.Thread(target=self._keep_up, daemon=True).start()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def follow(self, shown: "np.ndarray | None", sizes: Sequence[int]) -> None:
        """From now on look inside of the clients.

        `shown`: the rows that each has trained on in this round, int64 [clients], kept up to date by the workers, or
        None; `sizes`: those that each trains on in a whole round.
        """
        self.shown, self.sizes = shown, sizes

    def phase(self, text: str, brief: bool = False) -> None:
        """Begin a phase before the rounds; one that should be `brief` is in a log file only if it is not."""
        self.text, self.pieces = text, 0
        self._show(always=not brief)

    def work(self, server_round: int, first: int, n_rounds: int, what: str, pieces: int,
             clients: Sequence[int] = ()) -> None:
        """Begin a part of a round, `training` of `clients` or another of PARTS. The run began with round `first`."""
        self._end_part()
        if self.rounds_began is None and server_round:
            self.rounds_began = self.now()
        self.round, self.first, self.rounds = server_round, max(1, first), n_rounds
        self.text, self.pieces, self.done, self.clients = what, pieces, 0, clients
        self.part_began, self.piece_rows = self.now(), 0
        if self.shown is not None:
            self.shown[:] = 0
        self._show(always=False)

    def piece(self, client: int | None = None) -> None:
        """Note that a piece is done; of training, this client's."""
        self.done += 1
        if client is not None and self.sizes is not None:
            self.piece_rows += self.sizes[client]
        self._show(always=False)

    def close(self) -> None:
        """End the display; the terminal's line is free again."""
        self._ended.set()
        if self.bar is not None:
            self.bar.close()

    @property
    def rows(self) -> int:
        """The rows that this round's clients have trained on so far."""
        return int(max(self.piece_rows, 0 if self.shown is None else self.shown.sum()))

    @property
    def line(self) -> str:
        """What there is to say now."""
        if not self.pieces:
            return self.text
        words = [f"round {self.round} of {self.rounds}: {self.text}, {self.done} of {self.pieces} {PARTS[self.text]}"]
        rows, seconds = self.rows_before, self.seconds["training"]
        if self.text == "training":
            words[0] += f" ({100 * self.share:.0f} %)" if self.sizes is not None else ""
            rows, seconds = rows + self.rows, seconds + self.now() - self.part_began
        if rows:
            words.append(f"{rows / max(seconds, 1e-3):.0f} rows/s")
        if self.metric:
            words.append(self.metric)
        if (left := self.seconds_left) is not None:
            words.append(f"about {duration(left)} left")
        return ", ".join(words)

    @property
    def share(self) -> float:
        """How much of this part of the round is done, from 0 to 1."""
        if self.text == "training" and self.sizes is not None:
            return min(1.0, self.rows / max(1, sum(self.sizes[client] for client in self.clients)))
        return self.done / self.pieces if self.pieces else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Return the time that the rounds left take if they go on as they did; None before anything is done."""
        if self.rounds_began is None or not self.pieces:
            return None
        seconds = dict(self.seconds)
        seconds[self.text] += self.now() - self.part_began
        names = list(PARTS)
        of_round = sum(seconds[name] for name in names[:names.index(self.text)]) + seconds[self.text] * self.share
        done = self.round - self.first + of_round / max(sum(seconds.values()), 1e-9)
        if done < LEAST_DONE:
            return None
        return (self.now() - self.rounds_began) / done * (self.rounds - self.first + 1 - done)

    def _end_part(self) -> None:
        """Add what was at work to what is done."""
        if not self.pieces or not self.round:
            return
        self.seconds[self.text] += self.now() - self.part_began
        if self.text == "training":
            self.rows_before += self.rows

    def _show(self, always: bool) -> None:
        """Bring the status line up to date; in a log file, add a line if there is cause to, or it has been silent."""
        if self.bar is not None:
            self.bar.set_description_str(f"{duration(self.now() - self.began)} {self.line}")
        elif always or self.now() - self.shown_at >= SECONDS_OF_SILENCE:
            self.shown_at = self.now()
            NOTES.info("[%6.1f s] %s", self.shown_at - self.began, self.line)

    def _keep_up(self) -> None:
        while not self._ended.wait(SECONDS_TO_REFRESH):
            self._show(always=False)


def duration(seconds: float) -> str:
    """Return seconds as a person reads them: `45 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
