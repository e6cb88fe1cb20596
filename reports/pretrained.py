"""Models that were pre-trained in miniature, as a run's config.json has them: which are one model, and its name.

Seeds of one pre-training lie in folders of their own and read as many tokens but for the last step's: they are one
model where all that was asked for is the same.
"""

from collections.abc import Mapping

from reports.values import NUMBER, Kind, take
from utils.errors import UserError

KINDS: dict[str, Kind] = {"objective": str, "tokens": int, "sequences": int, "domains": list, "vocabulary": int,
                          "layers": int, "hidden": int, "body_parameters": int, "flops": NUMBER}


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


def pretrained_name(name: str, found: Mapping) -> str:
    """Return what a model is called: its folder's name, and what was asked for of its pre-training."""
    domains = "+".join(domain.rpartition("/")[2] for domain in found["domains"])
    return (f"{name} ({found['layers']} x {found['hidden']}, {found['objective']}, {amount(found['tokens'])} tokens of "
            f"{domains}, {amount(found['vocabulary'])} pieces)")


def amount(number: float) -> str:
    """Return a number to two digits, as `250k`, `1M`: a budget is the first step that reaches it."""
    rounded = float(f"{number:.1e}")
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rounded >= size:
            return f"{rounded / size:g}{letter}"
    return f"{rounded:g}"


def first_digit(vocabulary: int) -> str:
    """Return the size of a vocabulary to its first digit, as `4e+03`: little text gives fewer pieces than asked for."""
    return f"{vocabulary:.0e}"
