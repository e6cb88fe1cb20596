"""What is told to the person at the terminal: notes on stderr, because stdout is for results alone."""

import logging
import sys

NOTES = logging.getLogger("lm")


def notes_to_stderr() -> None:
    """Show the notes that any part of the project makes, one line each, on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    NOTES.handlers = [handler]
    NOTES.setLevel(logging.INFO)
    NOTES.propagate = False
