"""Functions compiled by Numba: one pass over memory, where NumPy makes one for each operation.

The machine code is kept beside Python's own, in `__pycache__`; where that cannot be, each run compiles it anew, in some
seconds. Threads run it side by side.
"""

from collections.abc import Callable, Sequence
from typing import Any

from numba import njit


def compiled(function: Callable, signatures: Sequence[Any]) -> Any:
    """Return `function` compiled for these argument types, once and for all calls."""
    try:
        return _compiled(function, signatures, kept=True)
    except Exception:  # Numba has no error of its own for code that is damaged, or cannot be written
        return _compiled(function, signatures, kept=False)


def _compiled(function: Callable, signatures: Sequence[Any], kept: bool) -> Any:
    return njit(list(signatures), nogil=True, cache=kept, error_model="numpy")(function)
