"""A run's private folder for what driver and workers exchange, in shared memory if it fits; removed at the end.

A run that is killed cannot remove its folder, so each run first removes those that nobody holds any more.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from utils.console import NOTES

MEMORY = Path("/dev/shm")
PREFIX = "parameter-averaging-"
LOCK = "lock"  # held, with the kernel's help, for as long as the run lives, however it ends


@contextmanager
def scratch_folder(needed: int) -> Iterator[Path]:
    """Make a folder only this user can read, with room for `needed` bytes; yield it; remove it.

    It lies in shared memory if there is twice the room, else in the default temporary folder. Space is checked
    beforehand because a mapped file that meets a full file system kills the process that writes to it.
    """
    remove_stale()
    fits = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2 * needed
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=MEMORY if fits else None))
    try:
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_stale() -> None:
    """Remove the scratch folders of this user's dead runs."""
    for base in {MEMORY, Path(tempfile.gettempdir())}:
        for folder in base.glob(f"{PREFIX}*"):
            # No lock file yet: the run is just starting. Another user's folder cannot be opened.
            with suppress(OSError), (folder / LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
                NOTES.info("removed what a dead run left in %s", folder)
