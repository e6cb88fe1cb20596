"""A run's private temporary folders, removed at its end; what driver and workers exchange lies in shared memory.

A run that is killed cannot remove its folders, so each run first removes those that no process holds any more.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from utils.console import NOTES, in_bytes
from utils.errors import UserError
from utils.machine.cgroup import memory_limit
from utils.machine.durable import held

MEMORY = Path("/dev/shm")
PREFIX = "averaging-"
SECONDS_TO_LOCK = 60  # no run takes so long from making its folder to holding the lock
LOCK = "lock"
LONGEST = 16  # characters of a place for sockets: Linux cuts their paths off at 107, of which Ray adds about 90


def places() -> list[Path]:
    """Return where temporary folders may lie: what TMPDIR names, or the system's, then /tmp, then shared memory.

    Raises UserError if no file can be written anywhere.
    """
    try:
        return list(dict.fromkeys([Path(tempfile.gettempdir()), Path("/tmp"), MEMORY]))
    except FileNotFoundError:
        raise UserError("TMPDIR: no temporary folder can be written to, here or in /tmp; set it to one that can"
                        ) from None


def short_place() -> Path:
    """Return the first of the `places` that can be written to and whose path is short enough for sockets.

    Raises UserError if there is none.
    """
    for place in places():
        if len(str(place)) <= LONGEST and os.access(place, os.W_OK | os.X_OK):
            return place
    raise UserError(f"TMPDIR: {places()[0]} is too long a path for Ray's sockets, and /tmp and {MEMORY} cannot be "
                    f"written to; set it to a folder of at most {LONGEST} characters")


@contextmanager
def private_folder(base: Path | None = None) -> Iterator[Path]:
    """Make a folder only this user can read, in `base` or the default temporary folder; yield it; remove it."""
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base))
    try:
        with held(folder / "new"):
            (folder / "new").rename(folder / LOCK)  # so that no other run sees it before it is held
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def scratch_folder(needed: int, base: Path | None = None) -> Iterator[Path]:
    """Make a private folder with room for `needed` bytes; yield it; remove it.

    It lies in `base`; without one in shared memory, if that has twice the room and a container's limit of memory, in
    which it counts, is as high; else in the default temporary folder. Space is checked beforehand because a mapped file
    that meets a full file system kills the process that writes to it.

    Raises UserError when neither has the room.
    """
    if base:
        with private_folder(base.resolve()) as folder:
            yield folder
        return
    fits = os.access(MEMORY, os.W_OK) and min(shutil.disk_usage(MEMORY).free, memory_limit()) > 2 * needed
    if not fits and shutil.disk_usage(tempfile.gettempdir()).free < needed:
        raise UserError(f"{tempfile.gettempdir()}: too little room for the clients' buffers, {in_bytes(needed)}; "
                        "set TMPDIR to a folder with more")
    with private_folder(MEMORY if fits else None) as folder:
        yield folder


def remove_stale() -> None:
    """Remove the folders of this user's dead runs."""
    for base in places():
        for folder in base.glob(f"{PREFIX}*"):
            with suppress(OSError):  # its run lives, it is another user's, or it has just gone
                if (folder / LOCK).exists():
                    with held(folder / LOCK) as dead:
                        if not dead:
                            NOTES.info("%s: its file system has no locks, which would show whether its run lives: "
                                       "remove it if that has ended", folder)
                            continue
                        shutil.rmtree(folder)
                elif time.time() - folder.stat().st_mtime > SECONDS_TO_LOCK:
                    # killed before it held the lock; or a dying process of Ray has made it again to write its log
                    shutil.rmtree(folder)
                else:
                    continue
                NOTES.info("removed what a dead run left in %s", folder)
