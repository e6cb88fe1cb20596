"""What each program does first and last: its streams last whatever becomes of the terminal, and signals end it well."""

import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn, TextIO

from utils.console import NOTES

GONE = (errno.EPIPE, errno.EIO)  # a pipe without a reader, a terminal that was closed


class Lasting(io.TextIOWrapper):
    """A text stream. Once its reader has gone, what is written goes nowhere; that is noted if there is a `farewell`."""

    farewell = ""

    @property
    def name_of(self) -> str:
        """How a message names the stream."""
        return {1: "stdout", 2: "stderr"}.get(self.fileno(), str(self.fileno()))

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        try:
            return super().write(text)
        except OSError as error:
            self._go_on(error)
            return len(text)

    def flush(self) -> None:
        """Write out what waits."""
        try:
            super().flush()
        except OSError as error:
            self._go_on(error)
            super().flush()

    def _go_on(self, error: OSError) -> None:
        """Raise the error unless the reader has gone."""
        if error.errno not in GONE:
            raise OSError(error.errno, error.strerror, self.name_of) from error
        redirect(self.fileno())
        if self.farewell:
            NOTES.info(self.farewell)


def begin(farewell: str = "") -> None:
    """Prepare this process for how it may be started and left; the first thing that a program does.

    Streams that the shell has closed lead nowhere, rather than into the next file that is opened. What a stream's
    encoding lacks is escaped. After stdout's reader has gone (`| head`), the `farewell` is noted, once. A batch
    system's SIGTERM and a closed terminal's SIGHUP are what Ctrl-C is, unless they are ignored, as by nohup.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            redirect(descriptor)
    sys.stdout, sys.stderr = lasting(sys.stdout, 1), lasting(sys.stderr, 2)
    sys.stdout.farewell = farewell
    interrupted_by(signal.SIGTERM, signal.SIGHUP)


def interrupted_by(*numbers: int) -> None:
    """Have these signals do what Ctrl-C does, unless they are ignored."""
    for number in numbers:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


@contextmanager
def held_back(*numbers: int) -> Iterator[None]:
    """Keep signals from this thread for a while, and from the processes that it starts for as long as they live."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def interrupt(number: int, frame: object) -> NoReturn:
    """Be interrupted once: of a terminal's end the kernel sends a signal, and the shell another."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def lasting(stream: TextIO | None, descriptor: int) -> Lasting:
    """Return a text stream to `descriptor` that is as `stream` (None: it was closed), but lasts."""
    old = stream if isinstance(stream, io.TextIOWrapper) else open(descriptor, "w", encoding="utf-8", closefd=False)
    return Lasting(open(descriptor, "wb", closefd=False), encoding=old.encoding, errors="backslashreplace",
                   line_buffering=old.line_buffering, write_through=old.write_through)


def redirect(descriptor: int) -> None:
    """Have a descriptor lead nowhere, also for libraries and processes that share it."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere == descriptor:  # it was closed, and is the lowest free number
        os.set_inheritable(descriptor, True)
    else:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def run_program(main: Callable[[], int], farewell: str = "") -> NoReturn:
    """Have this process do what `main` does, from its beginning to its end with the exit code of its `outcome`."""
    begin(farewell)
    leave(outcome(main))


def outcome(main: Callable[[], int]) -> int:
    """Return the exit code that `main` returns, or ends with; 1, after its traceback, where it has a fault."""
    try:
        return main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except Exception:
        traceback.print_exc()
        return 1


def leave(code: int) -> NoReturn:
    """End the process at once: Flower's server thread waits for ever when the engine has failed under it."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # a full disk
            stream.flush()
    os._exit(code)
