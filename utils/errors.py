"""How a run ends early: the user's input is wrong (exit code 2), or a round failed (3)."""


class UserError(Exception):
    """Input the user can mend: main() prints the message as one line on stderr and exits with 2.

    The message names the flag, or the file with its line, and says what to do.
    """

    exit_code = 2


class RoundFailed(Exception):
    """A round's clients failed: main() prints the message on stderr and exits with 3."""

    exit_code = 3


class Diverged(FloatingPointError):
    """A client's loss or parameters are no finite numbers. It would diverge again, so it is not run again."""
