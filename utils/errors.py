"""The two ways a run ends early, each with its exit code: the user's input is wrong, or a round failed."""


class UserError(Exception):
    """Input the user can mend: main() prints the message as one line on stderr and exits with 2.

    The message names the flag, or the file with its line, and says what to do.
    """


class RoundFailed(Exception):
    """A round's clients failed: main() prints the message on stderr and exits with 3."""
