"""Long programs that run beside the other tests, most of which take one core: they start first and are looked at last.

A test file names its program as BESIDE, the words after `python -m` but for `--out FOLDER`; its tests that use the
fixture `beside` (tests/conftest.py) come after all others.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PRIORITY = 5  # behind the tests at work, so that these do not wait


@dataclass(frozen=True)
class Ended:
    """A program that has ended: its exit code, what it has written, and its `--out`."""

    returncode: int
    stdout: str
    stderr: str
    out: Path


class Beside:
    """Runs `programs` one after another, in a thread; `end` breaks off what is still at work."""

    def __init__(self, programs: list[tuple[str, ...]]) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="beside-")
        self.ended: dict[tuple[str, ...], Future[Ended]] = {words: Future() for words in programs}
        self.process: subprocess.Popen | None = None
        self.broken_off = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def __call__(self, words: tuple[str, ...]) -> Ended:
        """Return a program that has ended; wait for that."""
        return self.ended[words].result()

    def end(self) -> None:
        """End all of it, and remove what it has written."""
        self.broken_off = True
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
        self.thread.join()
        self.folder.cleanup()

    def _run(self) -> None:
        for number, (words, future) in enumerate(self.ended.items()):
            if self.broken_off:
                return
            out = Path(self.folder.name) / str(number)
            out.mkdir()
            with (out / "stdout").open("w") as stdout, (out / "stderr").open("w") as stderr:
                self.process = subprocess.Popen([sys.executable, "-m", *words, "--out", out], cwd=ROOT, stdout=stdout,
                                                stderr=stderr, start_new_session=True)
                os.setpriority(os.PRIO_PROCESS, self.process.pid, PRIORITY)
                code = self.process.wait()
            future.set_result(Ended(code, (out / "stdout").read_text(), (out / "stderr").read_text(), out))
