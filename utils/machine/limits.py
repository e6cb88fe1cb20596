"""The limits of the user's shell (ulimit): which are too low for a run, and what keeps Ray within them."""

import os
import resource
import sys
from dataclasses import dataclass

from utils.errors import UserError


@dataclass(frozen=True)
class Need:
    """The least that a small run needs of a resource, in units of the shell's `ulimit`, and what takes so much."""

    flag: str
    number: int
    unit: int
    least: int
    of: str


GIB = 2**20  # KiB
#: measured on 2 cores and the CPU: with these a run ends well, with less than half of one it does not start
NEEDS = (
    Need("-v", resource.RLIMIT_AS, 1024, 6 * GIB, "KiB of addresses, most of which Ray and torch never use"),
    Need("-d", resource.RLIMIT_DATA, 1024, 3 * GIB, "KiB of data"),
    Need("-f", resource.RLIMIT_FSIZE, 1024, GIB // 4, "KiB in a file"),
    Need("-n", resource.RLIMIT_NOFILE, 1, 128, "open files in Ray's processes"),
    Need("-u", resource.RLIMIT_NPROC, 1, 256, "processes and threads of this user, most of them Ray's"),
)


def check_limits() -> None:
    """Raise UserError, naming the limit, if one is too low: Ray would say nothing, and end after half a minute.

    Also if Python has left out docstrings, which transformers reads.
    """
    if sys.flags.optimize > 1:
        raise UserError("PYTHONOPTIMIZE=2 (python -OO): transformers needs docstrings; unset it, or give 1")
    for need in NEEDS:
        limit = _limit(need.number)
        if limit is not None and limit < need.least * need.unit and not (need.flag == "-u" and os.geteuid() == 0):
            raise UserError(f"ulimit {need.flag} {limit // need.unit}: a run needs at least {need.least} {need.of}; "
                            f"`ulimit {need.flag} unlimited` or a new shell lifts it, or the batch system's own flag")


def object_store_bytes() -> int | None:
    """Return how large Ray's object store, a file that each process maps, may be; None: as large as Ray makes it."""
    shares = ((_limit(resource.RLIMIT_AS), 4), (_limit(resource.RLIMIT_FSIZE), 2))
    return min((limit // share for limit, share in shares if limit is not None), default=None)


def _limit(number: int) -> int | None:
    """Return the soft limit of a resource, or None if there is none; of open files the hard one, which Ray takes."""
    limit = resource.getrlimit(number)[number == resource.RLIMIT_NOFILE]
    return None if limit == resource.RLIM_INFINITY else limit
