"""A failure in words."""

import pytest

from utils.failure import LESS_MEMORY, Failure

DIED = "<class 'ray.exceptions.ActorUnavailableError'>:<'The actor 03 is unavailable: RPC error: Socket closed.'>"
RAISED = "<class 'X'>:<'tracebacks\nException ClientAppException occurred. Message: {}'>"


@pytest.mark.parametrize("account, words", [
    (RAISED.format("client 1 diverged"), "client 1 diverged"),
    (RAISED.format("two\nlines\n"), "two lines"),
    (RAISED.format("DefaultCPUAllocator: can't allocate memory"),
     f"DefaultCPUAllocator: can't allocate memory ({LESS_MEMORY})"),
    ("<class 'X'>:<'…\nException AssertionError occurred. Message: '>", "Exception AssertionError"),
    ("", "a client failed and said nothing"),
    (DIED, f"its worker died: killed, or out of memory ({LESS_MEMORY})"),
])
def test_a_failure_is_one_line(account, words):
    assert Failure(account).words == words


def test_divergence_is_final_and_a_death_is_not():
    assert Failure(RAISED.format("utils.errors.Diverged: diverged")).final and not Failure(DIED).final
