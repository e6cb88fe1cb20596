"""Models that were pre-trained in miniature, as a run's config.json has them: which are one model, and its name.

Seeds of one pre-training lie in folders of their own and read as many tokens but for the last step's: they are one
model where all that was asked for is the same.
"""

import json
from collections.abc import Mapping, Sequence

from reports.values import NUMBER, Kind, take
from utils.errors import UserError

KINDS: dict[str, Kind] = {"objective": str, "tokens": int, "sequences": int, "domains": list, "vocabulary": int,
                          "layers": int, "hidden": int, "body_parameters": int, "flops": NUMBER,
                          "teacher_flops": NUMBER, "budget": int, "asked": dict}
TEXT = ("task", "text", "domains")  # the flags that say which text
WORDED = (*TEXT, "vocab", "objective", "layers", "hidden")  # the flags that a name has words of its own for


def check_pretraining(found: object, where: str) -> None:
    """Raise UserError, which begins with `where`, unless the object has what the report reads of it."""
    if not isinstance(found, dict):
        raise UserError(f"{where}: must be a JSON object")
    for name, kind in KINDS.items():
        value = take(found, name, kind, where)
        if kind in (int, NUMBER) and value < 0:
            raise UserError(f"{where}: {name!r} is below 0")
    if not all(isinstance(domain, str) for domain in found["domains"]):
        raise UserError(f"{where}: domains must hold texts")


def identity(found: Mapping) -> str:
    """Return a text that is the same of two models where all that was asked for is, but for the seed."""
    return json.dumps([asked(found), found["budget"], sorted(found["domains"])], sort_keys=True)


def asked(found: Mapping) -> dict:
    """Return the flags that set models apart.

    Without `domains`: the card names those of the text in full; and without `threads`: they change last bits alone.
    """
    return {name: value for name, value in found["asked"].items() if name not in ("domains", "threads")}


def differing(cards: Sequence[Mapping]) -> tuple[str, ...]:
    """Return the flags in which what was asked for of some models differs, but for those that a name has words for."""
    names = dict.fromkeys(name for card in cards for name in asked(card) if name not in WORDED)
    return tuple(name for name in names if len({json.dumps(card["asked"].get(name)) for card in cards}) > 1)


def in_words(found: Mapping, names: Sequence[str]) -> list[str]:
    """Return a model's values of flags that were asked for, in words; a flag that its objective has not is left out."""
    return [f"{name} {value}" for name in names if (value := found["asked"].get(name)) is not None]


def pretrained_name(name: str, found: Mapping, names: Sequence[str] = ()) -> str:
    """Return what a model is called: its folder's name, and what was asked for of its pre-training; `names`: also of
    these flags.
    """
    domains = "+".join(domain.rpartition("/")[2] for domain in found["domains"])
    words = [f"{found['layers']} x {found['hidden']}", found["objective"],
             f"{amount(found['budget'])} tokens of {domains}", f"{amount(found['vocabulary'])} pieces"]
    return f"{name} ({', '.join((*words, *in_words(found, names)))})"


def amount(number: float) -> str:
    """Return a number to two digits, as `250k`, `1M`."""
    rounded = float(f"{number:.1e}")
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rounded >= size:
            return f"{rounded / size:g}{letter}"
    return f"{rounded:g}"


def first_digit(vocabulary: int) -> str:
    """Return the size of a vocabulary to its first digit, as `4e+03`: little text gives fewer pieces than asked for."""
    return f"{vocabulary:.0e}"
