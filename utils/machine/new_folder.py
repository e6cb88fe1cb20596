"""A folder that a command makes: new, whole or not at all, and one process's alone."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.errors import UserError
from utils.machine.durable import held, sync_folder


@contextmanager
def new_folder(out: Path, asked: str = "--out") -> Iterator[Path]:
    """Yield a folder beside `out` to write into, which gets its name at the end; after an error nothing is left.

    What a killed process has left goes first. Raises UserError, naming what `asked` for it, where it holds
    something, cannot be made, or another process is at work on it.
    """
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{asked} {out}: is there already; name a new folder, or remove it")
    whole = Path(os.path.realpath(out))  # a link to an empty folder stays one
    half = whole.with_name(f".{whole.name}.half")
    make_folder(half, f"{asked} {out}")
    try:
        with held(half / "lock"):
            for left in half.iterdir():
                if left.name != "lock":
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            try:
                folder = half / "model"
                folder.mkdir()
                yield folder
                for path in folder.iterdir():
                    with path.open("rb") as file:
                        os.fsync(file.fileno())
                folder.replace(whole)  # an empty one may be there
                sync_folder(whole.parent)
            finally:
                shutil.rmtree(half, ignore_errors=True)
    except BlockingIOError:
        raise UserError(f"{asked} {out}: another process is at work there; name another folder") from None


def make_folder(folder: Path, asked: str) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises UserError, which begins with what `asked` for it, where it cannot be made; OSError where the disk refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, FileNotFoundError, NotADirectoryError, PermissionError) as error:
        why = "is a file" if os.path.isfile(folder) else f"cannot be made: {error.strerror}"
        raise UserError(f"{asked}: {why}; name another folder") from None
