"""Cases of bad input: what is there, the flags, and what the line on stderr says. One file for each kind of files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.toy import toy_table


@dataclass(frozen=True)
class Place:
    """Where a case happens: the folder `base`, with what the case puts there or spoils, and that of a tiny BERT."""

    base: Path
    bert: Path

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.base / "data"

    def table(self, change: Callable[[Path], None] | None = None) -> None:
        """Make the toy table; `change` spoils its folder."""
        folder = toy_table(self.data, 12, 6).folder
        if change:
            change(folder)


@dataclass(frozen=True)
class Case:
    """One row: what is there, the flags, and the pieces that the line on stderr has."""

    id: str
    make: Callable[[Place], None]
    flags: str
    said: tuple[str, ...]


def nothing(place: Place) -> None:
    """The toy table alone."""
    place.table()


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def cut(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:-40])
    return change
