"""Where the seconds before the first round go."""

import time


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
