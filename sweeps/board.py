"""How far a study's jobs are: a bar on a terminal; elsewhere a line for each one's beginning and end."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tqdm import tqdm

from utils.console import NOTES


class Board:
    """`total` jobs, each a `unit`, by name: those `running`, and why of those that `failed`."""

    def __init__(self, total: int, unit: str) -> None:
        self.total, self.unit = total, unit
        self.running: set[str] = set()
        self.failed: dict[str, str] = {}
        self.done = 0
        self.began = time.monotonic()
        self.bar: tqdm | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Have the bar inside the `with`, where stderr is a terminal."""
        with ExitStack() as stack:
            if sys.stderr.isatty():
                self.bar = stack.enter_context(tqdm(total=self.total, unit=self.unit, dynamic_ncols=True))
            yield

    def start(self, name: str) -> None:
        """Show that a job has begun."""
        self.running.add(name)
        self._show("started", name)

    def end(self, name: str, why: str = "") -> None:
        """Show that a job has ended; `why`, if it failed."""
        self.running.remove(name)
        self.done += 1
        if why:
            self.failed[name] = why
        self._show("failed" if why else "finished", name)

    def refresh(self) -> None:
        """Show the time on the bar."""
        if self.bar:
            self.bar.refresh()

    def _show(self, event: str, name: str) -> None:
        """Show what became of a job, and how far the whole is."""
        if self.bar:
            self.bar.n = self.done
            self.bar.set_postfix_str(f"{len(self.running)} running, {len(self.failed)} failed")
            return
        seconds = time.monotonic() - self.began
        rest = f", about {seconds / self.done * (self.total - self.done) / 60:.0f} min left" if self.done else ""
        NOTES.info("[%6.1f s] %s %s: %d of %d done, %d running, %d failed%s", seconds, event, name, self.done,
                   self.total, len(self.running), len(self.failed), rest)


def last_words(text: str) -> str:
    """Return the last line of what a process has written to stderr."""
    said = text.strip().splitlines()
    return said[-1] if said else "it said nothing"
