"""What a run is at, on stderr: one status line on a terminal; elsewhere timed lines, few enough for a log file."""

import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

from utils.console import NOTES

SECONDS_OF_SILENCE = 10  # after which a log file gets a line although nothing has ended
SECONDS_TO_REFRESH = 0.5


class Progress:
    """Shows phases, and the pieces of each round as they are done; `close` ends it. Times are in seconds.

    A round's pieces are its participants while it trains, and the parts of the evaluation sets after that.
    """

    def __init__(self, stream: TextIO | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream or sys.stderr
        self.now = now
        self.began = self.told = now()
        self.text = ""
        self.rounds = self.first = self.round = 0
        self.rounds_began: float | None = None
        self.pieces = self.done = 0
        self.rows = 0
        self.seconds = 0.0  # of training, in all rounds
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

    def phase(self, text: str) -> None:
        """Begin a phase before the rounds."""
        self.text, self.pieces = text, 0
        self._show(always=True)

    def work(self, server_round: int, first: int, n_rounds: int, what: str, pieces: int) -> None:
        """Begin a part (`training`, `evaluating`) of a round, of so many pieces. The run began with round `first`."""
        if self.rounds_began is None and server_round:
            self.rounds_began = self.now()
        self.round, self.first, self.rounds = server_round, max(1, first), n_rounds
        self.text, self.pieces, self.done = what, pieces, 0
        self._piece_began = self.now()
        self._show(always=False)

    def piece(self, rows: int = 0) -> None:
        """Note that a piece is done, in which so many rows were trained on."""
        self.done += 1
        if rows:
            self.rows += rows
            self.seconds += self.now() - self._piece_began
        self._piece_began = self.now()
        self._show(always=False)

    def close(self) -> None:
        """End the display; the terminal's line is free again."""
        self._ended.set()
        if self.bar is not None:
            self.bar.close()

    @property
    def line(self) -> str:
        """What there is to say now."""
        if not self.pieces:
            return self.text
        names = {"training": "clients", "evaluating": "parts"}
        words = [f"round {self.round} of {self.rounds}: {self.text}, {self.done} of {self.pieces} {names[self.text]}"]
        if self.seconds:
            words.append(f"{self.rows / self.seconds:.0f} rows/s")
        if self.metric:
            words.append(self.metric)
        if (left := self.seconds_left) is not None:
            words.append(f"about {duration(left)} left")
        return ", ".join(words)

    @property
    def seconds_left(self) -> float | None:
        """Return the time that the rounds left take if they go on as they did; None before one is done."""
        rounds_done = self.round - self.first + (self.text == "evaluating")
        if self.rounds_began is None or rounds_done < 1:
            return None
        return (self.now() - self.rounds_began) / rounds_done * (self.rounds - self.first + 1 - rounds_done)

    def _show(self, always: bool) -> None:
        """Bring the status line up to date; in a log file, add a line if there is cause to, or it has been silent."""
        if self.bar is not None:
            self.bar.set_description_str(f"{duration(self.now() - self.began)} {self.line}")
        elif always or self.now() - self.told >= SECONDS_OF_SILENCE:
            self.told = self.now()
            NOTES.info("[%6.1f s] %s", self.told - self.began, self.line)

    def _keep_up(self) -> None:
        while not self._ended.wait(SECONDS_TO_REFRESH):
            self._show(always=False)


def duration(seconds: float) -> str:
    """Return seconds as a person reads them: `45 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
