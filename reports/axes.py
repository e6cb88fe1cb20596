"""What gains are drawn against: representation power, pre-training compute, and the three factors behind these."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.pretrained import TEXT, amount, asked, first_digit
from reports.pretraining import Pretraining
from reports.rungs import Rung


@dataclass(frozen=True)
class Axis:
    """`value` gives a rung's place, None where it is not known; `base`: that of the logarithm in which a line is
    straight, 0 for the value itself. `each` is a unit of it in words, `label` has its own unit.
    """

    name: str
    each: str
    label: str
    value: Callable[[Rung], float | None]
    base: float = 0.0

    def place(self, rung: Rung) -> float | None:
        """Return where a rung lies; None where that is not known, and on a logarithm's axis at 0 or below."""
        value = self.value(rung)
        if value is None or not self.base:
            return value
        return math.log(value, self.base) if value > 0 else None

    def shown(self, place: float) -> str:
        """Return a place of the axis as a value."""
        if not self.base:
            return f"{place:.1f}".replace("-", "−")
        exponent = place * math.log10(self.base)
        whole = self not in (COMPUTE, FIGURE_1) and 0 <= exponent < 12
        return amount(self.base ** place) if whole else power_of_ten(exponent)


def power_of_ten(exponent: float) -> str:
    """Return 10**exponent as `3.1e+19`, of any size."""
    whole = math.floor(exponent)
    return f"{10 ** (exponent - whole):.1f}e{whole:+d}"


def pretraining_of(rung: Rung) -> Pretraining:
    """Return what a rung was pre-trained with, nothing where that is not known."""
    return rung.pretrained if isinstance(rung.pretrained, Pretraining) else Pretraining()


POWER = Axis("power", "point of representation power", "representation power: the probe's score, points",
             lambda rung: rung.power)
COMPUTE = Axis("compute", "tenfold of pre-training compute", "pre-training compute, FLOPs (6·N·D)",
               lambda rung: pretraining_of(rung).flops, 10)
FIGURE_1 = Axis("figure 1", "tenfold of compute", "pre-training compute in figure 1's unit, 10^15 · 6·N·sequences",
                lambda rung: pretraining_of(rung).figure_1, 10)
WORDS = Axis("words", "tenfold of pre-training text", "words of pre-training text",
             lambda rung: pretraining_of(rung).words, 10)
#: of models pre-trained in miniature: what is varied where the rest is the same
FACTORS = (Axis("tokens", "tenfold of pre-training tokens", "pre-training tokens",
                lambda rung: None if rung.card is None else rung.card["budget"], 10),
           Axis("domains", "doubling of pre-training domains", "pre-training domains",
                lambda rung: None if rung.card is None else len(rung.card["domains"]), 2),
           Axis("vocabulary", "tenfold of the vocabulary", "word pieces in the vocabulary",
                lambda rung: None if rung.card is None else rung.card["vocabulary"], 10))


def factor_rungs(rungs: Sequence[Rung]) -> dict[Axis, list[Rung]]:
    """Return {factor: the largest set of rungs that differ in it alone}, where two do.

    The rest is what was asked for: the budget of tokens, and all flags. Domains and vocabularies are those that the
    text has given, vocabularies to one digit.
    """
    found = {}
    for axis in FACTORS:
        groups: dict[str, list[Rung]] = defaultdict(list)
        for rung in rungs:
            if rung.card is not None and axis.place(rung) is not None:
                same = {"tokens": rung.card["budget"], "domains": sorted(rung.card["domains"]),
                        "vocabulary": first_digit(rung.card["vocabulary"])} | {axis.name: None}
                rest = {name: value for name, value in asked(rung.card).items() if name not in (*TEXT, "vocab")}
                groups[json.dumps([same, rest], sort_keys=True)].append(rung)
        several = [some for some in groups.values() if len({axis.place(rung) for rung in some}) > 1]
        if several:
            found[axis] = max(several, key=len)
    return found
