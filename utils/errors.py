"""How a run ends early: the user's input is wrong (exit code 2), or a round failed (3)."""


class UserError(Exception):
    """Input the user can mend: main() prints the message as one line on stderr and exits with 2.

    The message names the flag, or the file with its line, and says what to do.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class RoundFailed(Exception):
    """A round's clients failed: main() prints the message on stderr and exits with 3."""

    exit_code = 3


class Diverged(FloatingPointError):
    """A client's loss or parameters are no finite numbers. It would diverge again, so it is not run again."""


def one_line(text: str) -> str:
    """Return `text` with all that is not printable escaped: names in it may hold line ends or terminal codes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def in_short(error: BaseException, length: int = 200) -> str:
    """Return what an error says as a part of one line: cut after `length` characters, its class if it says nothing."""
    words = one_line(" ".join(str(error).split())) or type(error).__name__
    return words if len(words) <= length else f"{words[:length]}…"


def root(error: BaseException) -> BaseException:
    """Return the error that an error was raised from, and so on: libraries' own words often hide it."""
    while error.__cause__:
        error = error.__cause__
    return error


def quoted(value: object, length: int = 60) -> str:
    """Return a value from a file as a message shows it: on one line, and no longer than a message should be."""
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}…"
