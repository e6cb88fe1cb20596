"""How a program's work ends: with an exit code, and one line on what ended it early."""

from collections.abc import Callable

from utils.console import NOTES, notes_to_stderr
from utils.errors import RoundFailed, UserError
from utils.machine.durable import DISK_REFUSES


def exit_code(program: str, work: Callable[[], None], of_disk: Callable[[OSError], str], of_interrupt: str) -> int:
    """Do a program's work, with its notes on stderr; return 0, or what the error that ended it stands for.

    Wrong input, a round that failed, a disk that refuses and an interrupt are a line that begins with the name of the
    `program`. `of_disk` returns what it says of a disk's error, `of_interrupt` is what it says of an interrupt: what is
    left, and how to go on. Raises what else goes wrong: a fault of the program.
    """
    notes_to_stderr()
    try:
        work()
        return 0
    except (UserError, RoundFailed) as error:
        NOTES.error("%s: %s", program, error)
        return error.exit_code
    except OSError as error:
        if error.errno not in DISK_REFUSES:
            raise
        NOTES.error("%s: %s", program, of_disk(error))
        return 2
    except KeyboardInterrupt:
        NOTES.error("%s: interrupted: %s", program, of_interrupt)
        return 130
