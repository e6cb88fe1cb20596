"""How a program's work ends: with an exit code, and one line on what ended it early."""

from collections.abc import Callable

from utils.console import NOTES, notes_to_stderr
from utils.errors import RoundFailed, UserError
from utils.machine.durable import DISK_REFUSES


def exit_code(program: str, work: Callable[[], None], refused: Callable[[OSError], str], interrupted: str) -> int:
    """Do a program's work, with its notes on stderr; return 0, or what the error that ended it stands for.

    Wrong input, a round that failed, a disk that refuses and an interrupt are a line that begins with the name of the
    `program`; of a disk it goes on with what is `refused`, and of an interrupt with what is left. Raises what else goes
    wrong: a fault of the program.
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
        NOTES.error("%s: %s", program, refused(error))
        return 2
    except KeyboardInterrupt:
        NOTES.error("%s: interrupted: %s", program, interrupted)
        return 130
