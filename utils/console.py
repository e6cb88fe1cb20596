"""Notes on stderr, a line each, because stdout is for results alone."""

import logging
import sys
from typing import TextIO

NOTES = logging.getLogger("lm")
SECONDS_OF_SILENCE = 10  # after which a log file gets a line although nothing has ended


def notes_to_stderr() -> None:
    """Show the notes that any part of the project makes, one line each, on stderr."""
    handler = NotesHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    NOTES.handlers = [handler]
    NOTES.setLevel(logging.INFO)
    NOTES.propagate = False


class NotesHandler(logging.Handler):
    """Writes notes to stderr as it is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one note."""
        try:
            line_to(sys.stderr, self.format(record))
        except Exception:
            self.handleError(record)


def line_to(stream: TextIO, text: str) -> None:
    """Write a line; a status line that a terminal shows (utils/record/progress.py) makes room for it."""
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        with tqdm.external_write_mode(file=stream):
            print(text, file=stream, flush=True)
    else:
        print(text, file=stream, flush=True)


def in_bytes(size: float) -> str:
    """Return bytes in words: `90.9 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
