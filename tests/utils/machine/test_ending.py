"""What a program ends with: an exit code and one line, or the fault itself."""

import errno

import pytest

from utils.errors import RoundFailed, UserError
from utils.machine.ending import exit_code


def ended(error):
    """Return the exit code of work that ends with an error, or with none."""
    def work():
        if error:
            raise error

    return exit_code("lm.py", work, lambda refused: f"--out a: {refused.strerror}: free some space",
                     "nothing is written")


@pytest.mark.parametrize(("error", "code", "said"), [
    (None, 0, ""),
    (UserError("--lr 0: no\nsuch rate"), 2, "lm.py: --lr 0: no\\nsuch rate\n"),
    (RoundFailed("round 3: its clients failed"), 3, "lm.py: round 3: its clients failed\n"),
    (OSError(errno.ENOSPC, "No space left on device"), 2, "lm.py: --out a: No space left on device: free some space\n"),
    (KeyboardInterrupt(), 130, "lm.py: interrupted: nothing is written\n"),
])
def test_what_ends_a_program_early_is_a_line_and_an_exit_code(error, code, said, capsys):
    assert ended(error) == code
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("fault", [OSError(errno.ENOENT, "No such file"), ValueError("a slip")])
def test_a_fault_of_the_program_is_raised(fault):
    with pytest.raises(type(fault)) as raised:
        ended(fault)
    assert raised.value is fault
