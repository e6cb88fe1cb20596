"""Where the seconds go: of the phases before the first round, and of a phase of a round."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Notes how long each phase took: `done(name)` ends one and begins the next. `seconds`: {name: seconds}."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.began = time.perf_counter()

    def done(self, name: str) -> None:
        """End the phase `name`."""
        now = time.perf_counter()
        self.seconds[name] = now - self.began
        self.began = now


@contextmanager
def timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    """Add what the `with` takes to `seconds[phase]`, rounded to milliseconds."""
    began = time.perf_counter()
    yield
    seconds[phase] = round(seconds.get(phase, 0.0) + time.perf_counter() - began, 3)
