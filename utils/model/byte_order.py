"""Model folders whose JSON files begin with a byte-order mark, as some editors write them; transformers reads none."""

import codecs
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def without_marks(path: str) -> Iterator[str]:
    """Yield `path`, a model's folder or name; for a folder with such files, a private one with the same but them."""
    files = [Path(path) / name for name in os.listdir(path)] if os.path.isdir(path) else []
    marked = [file for file in files if file.suffix == ".json" and begins_with_mark(file)]
    if not marked:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            copy = Path(folder) / file.name
            if file in marked:
                copy.write_bytes(file.read_bytes().removeprefix(codecs.BOM_UTF8))
            else:
                copy.symlink_to(file.resolve())
        yield folder


def begins_with_mark(file: Path) -> bool:
    """Return whether a file begins with UTF-8's byte-order mark."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
