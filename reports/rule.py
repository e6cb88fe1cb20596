"""The rule by which a study's seeds are added one by one until its headline is decided, as the study's folder keeps it.

The file `until.json`, which `sweeps/run.py --until decided --at_most N` writes at each look:

    {"at_most": 10, "looks": [{"seeds": [1, 2, 3], "result": "undecided"}, …]}

A look is at 3 seeds or more, after each further one up to `at_most`, which is fixed before the first. The looks share
the 5 % chance of calling a gain decided that is none: that of k looks out of n is (k / n)³ together, so the first ones,
whose few seeds seldom decide, leave most of it to the last (Kim and DeMets 1987). A report of such a study is of the
seeds of the last look, with that look's part in place of the 5 %. By simulation (`python -m benchmarks.coverage`) 1.4
to 3.3 % of studies without any gain end as decided, with at most ten seeds.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from reports.intervals import LEVEL
from reports.values import check_numbers, read_object, take
from utils.errors import UserError
from utils.machine.durable import whole_file

FILE = "until.json"
FIRST_LOOK = 3  # seeds


@dataclass(frozen=True)
class Look:
    """One look: at which seeds, and what it found ("" while it is at work)."""

    seeds: tuple[int, ...]
    result: str = ""


@dataclass(frozen=True)
class Rule:
    """The number of seeds that is never exceeded, and the looks so far."""

    at_most: int
    looks: tuple[Look, ...] = ()

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the last look."""
        return self.looks[-1].seeds

    @property
    def alpha(self) -> float:
        """The last look's part of the 5 %."""
        return share(len(self.seeds), self.at_most)

    @property
    def note(self) -> str:
        """What a report says of it."""
        return (f"Seeds were added until the headline is decided, {self.at_most} at most: by that rule the look at "
                f"{len(self.seeds)} seeds has {100 * self.alpha:.3g} of the 5 %. So intervals here are those of "
                f"{100 * (1 - self.alpha):.4g} %, and a method is ahead or behind if p is at most {self.alpha:.3g}.")


def share(seeds: int, at_most: int) -> float:
    """Return the part of the 5 % that the look at so many seeds has, from FIRST_LOOK to `at_most`."""
    look, looks = seeds - FIRST_LOOK + 1, at_most - FIRST_LOOK + 1
    return (1 - LEVEL) * (look ** 3 - (look - 1) ** 3) / looks ** 3


def read_rule(folder: Path) -> Rule | None:
    """Return the rule of a study's folder; None where it has none. Raises UserError, naming the file, if malformed."""
    path = folder / FILE
    if not path.is_file():
        return None
    found, looks = read_object(path), list[Look]()
    at_most = take(found, "at_most", int, path)
    for look in take(found, "looks", list, path):
        if not isinstance(look, dict):
            raise UserError(f"{path}: looks must hold objects")
        check_numbers(look.get("seeds"), f"{path}: seeds")
        looks.append(Look(tuple(look["seeds"]), take(look, "result", str, path)))
        if not FIRST_LOOK <= len(look["seeds"]) <= at_most:
            raise UserError(f"{path}: a look is at {FIRST_LOOK} to {at_most} seeds, and one is at {len(look['seeds'])}")
    if not looks:
        raise UserError(f"{path}: holds no look")
    return Rule(at_most, tuple(looks))


def write_rule(folder: Path, rule: Rule) -> None:
    """Write the rule of a study's folder."""
    with whole_file(folder / FILE) as path:
        path.write_text(json.dumps(asdict(rule)) + "\n", encoding="utf-8")
