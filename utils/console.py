"""What is told to the person at the terminal: notes on stderr, because stdout is for results alone."""

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn, TextIO

NOTES = logging.getLogger("lm")


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
    """Write a line; a status line that a terminal shows (utils/progress.py) makes room for it."""
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        with tqdm.external_write_mode(file=stream):
            print(text, file=stream, flush=True)
    else:
        print(text, file=stream, flush=True)


def leave(code: int) -> NoReturn:
    """End the process at once: Flower's server thread waits for ever when the engine has failed under it."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, or the reader of a pipe has gone
            stream.flush()
    os._exit(code)
