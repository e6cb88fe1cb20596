"""Places in the texts of a study: {seed}, a run's seed, and {out}, the study's folder; {{ and }} are braces."""

import re
from collections.abc import Mapping, Sequence

from utils.errors import UserError, quoted
from utils.flags import nearest

NAMES = ("seed", "out")
PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
DOUBLED = "braces that are to stay are written {{ and }}"


def filled(words: Sequence[str], seed: int, folder: object, asked: str) -> tuple[str, ...]:
    """Return words of a command line with a run's seed and the study's folder in their places.

    Raises UserError as `check_places`, which begins with what has `asked`.
    """
    try:
        return tuple(put(word, {"seed": str(seed), "out": str(folder)}) for word in words)
    except UserError as error:
        raise UserError(f"{asked}: {error}") from None


def check_places(text: str) -> None:
    """Raise UserError for another name in braces, and for a brace that has no partner."""
    put(text, dict.fromkeys(NAMES, ""))


def put(text: str, values: Mapping[str, str]) -> str:
    """Return a text with these values in their places. Raises UserError as `check_places`."""
    def one(found: re.Match[str]) -> str:
        name = found[1]
        if found[0] in ("{", "}"):
            raise UserError(f"{quoted(text)}: has a {found[0]} without its partner; {DOUBLED}")
        if name is None:
            return found[0][0]
        if name not in values:
            raise UserError(f"{quoted(text)}: {found[0]} is neither {{seed}} nor {{out}}{nearest(name, values)}; "
                            f"{DOUBLED}")
        return values[name]

    return PLACE.sub(one, text)
