"""Files that are whole or absent whatever ends the process, and locks that end with it."""

import errno
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

#: what a user can mend
DISK_REFUSES = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOTDIR,
                errno.ELOOP, errno.EFBIG)
#: what a file system answers that cannot lock, or cannot sync a folder
UNKNOWN_HERE = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a name to write the file under; at the end what is there goes to disk and then gets the name `path`.

    After an error nothing is left of it, and an older file stays as it was. Raises OSError for what safetensors
    calls an error of its own, such as a full disk.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with system_errors():
            yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)  # the name
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path` to be filled, which then gets that name, in place of a folder that has it.

    After an error nothing is left of it, and an older folder stays as it was. Raises OSError as `whole_file` does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new, old = (path.with_name(f".{path.name}.{uuid.uuid4().hex}") for _ in range(2))  # as `remove_halves` knows them
    try:
        with system_errors():
            yield new
        if path.exists():
            path.rename(old)
        new.rename(path)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def remove_halves(parent: Path) -> None:
    """Remove what a process that was killed in `whole_folder` has left in `parent`, whatever its folder was."""
    for half in parent.glob(f".?*.{'[0-9a-f]' * 32}"):
        shutil.rmtree(half)


def sync_folder(path: Path) -> bool:
    """Have the names in a folder go to disk; return False where the file system, such as CIFS, has no way to."""
    folder = os.open(path, os.O_RDONLY)
    try:
        return known_here(lambda: os.fsync(folder))
    finally:
        os.close(folder)


def known_here(call: Callable[[], None]) -> bool:
    """Make a call of the system; return whether the file system has it."""
    try:
        call()
    except OSError as error:
        if error.errno not in UNKNOWN_HERE:
            raise
        return False
    return True


@contextmanager
def system_errors() -> Iterator[None]:
    """Raise safetensors' account of an OSError as that OSError."""
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold the file `path`, made if it is absent, with the kernel's help: however this process ends, it lets go.

    Yields False where the file system, such as Lustre or NFS may be, has no locks: nothing is held then. Raises
    BlockingIOError if another process holds it.
    """
    with path.open("a") as lock:
        yield known_here(lambda: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB))
