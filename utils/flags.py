"""What a flag is: a field of a frozen dataclass, with its default, its range and its help.

RunConfig (utils/config.py) has those of every run; a plug-in brings its own, as a dataclass `Flags`.
"""

import argparse
import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import Field
from fractions import Fraction
from typing import Any

from utils.errors import UserError, quoted
from utils.file_names import file_name

FEW = 5  # choices that a message names
MANY = 10**9  # more is a slip, and no library below has to hold more
WHOLE_FROM_0 = (lambda value: 0 <= value <= MANY, "a whole number from 0 (to 10^9)")
WHOLE_FROM_1 = (lambda value: 1 <= value <= MANY, "a whole number from 1 (to 10^9)")
POSITIVE = (lambda value: 0 < value < math.inf, "a number above 0")
NOT_NEGATIVE = (lambda value: 0 <= value < math.inf, "a number from 0")
SHARE = (lambda value: 0 <= value <= 1, "a number from 0 to 1")
PART = (lambda value: 0 < value <= 1, "a number above 0, up to 1")
NUMBER = (math.isfinite, "a number")
NAMES = (lambda value: not value or all(names := value.split(",")) and len({*names}) == len(names),
         "NAME[,NAME], each once, with commas between")


def flag(default: Any, help: str, *, opens: str = "", valid: tuple[Callable[[Any], bool], str] | None = None,
         choices: tuple[str, ...] = (), also: tuple[str, ...] = (), may_change: bool = False) -> Any:
    """Declare one flag: a field of a frozen dataclass.

    `valid` is (test, what a good value is); `also` lists other spellings; `opens` heads a new group in --help. A flag
    that `may_change` may have another value when a run is resumed: no client's update depends on it by a bit. A round's
    mean can, where a client that fails is left out or not; the record names those that are.
    """
    return dataclasses.field(default=default, metadata={
        "help": help, "opens": opens, "valid": valid, "choices": choices, "also": also,
        "may_change": may_change})


def whole_number(text: str) -> int:
    """Parse `2`, or `2.0` as the published commands spell it; anything with a fraction is an argparse error."""
    try:
        return int(re.sub(r"\.0*$", "", text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {quoted(text)}") from None


def real_number(text: str) -> float:
    """Parse a number; anything else is an argparse error."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {quoted(text)}") from None


PARSERS: dict[Any, Callable[[str], Any]] = {int: whole_number, float: real_number}
TYPES: dict[str, type] = {kind.__name__: kind for kind in (bool, int, float, str)}


def fields_of(flags: Any) -> list[Field]:
    """Return the fields of the dataclass `flags`, a class or a value of it, that `flag` declares."""
    return [field for field in dataclasses.fields(flags) if "help" in field.metadata]


def values_of(flags: Any) -> dict[str, Any]:
    """Return {name: value} of the dataclass `flags`."""
    return {field.name: getattr(flags, field.name) for field in fields_of(flags)}


def spellings(flags: Any) -> list[str]:
    """Return the names that the flags of the dataclass `flags` go by."""
    return [name for field in fields_of(flags) for name in (field.name, *field.metadata["also"])]


def type_of(field: Field) -> type | None:
    """Return a flag's type, one of TYPES; None for any other. A module may write its annotations as texts."""
    return TYPES.get(getattr(field.type, "__name__", str(field.type)))


def fault_of(field: Field) -> str:
    """Return what is wrong with a plug-in's declaration of a flag; "" if nothing is."""
    kind, about = type_of(field), field.metadata
    if kind is None:
        return "must be of type bool, int, float or str"
    if not about.get("help"):
        return "must be declared by utils.flags.flag, with a help text"
    if not isinstance(field.default, (int, float) if kind is float else kind):
        return f"its default must be of type {kind.__name__}"
    if field.default is True:
        return "a switch must be False at first"
    valid = about["valid"]
    if valid is None:
        return ""
    if not (isinstance(valid, tuple) and len(valid) == 2 and callable(valid[0]) and isinstance(valid[1], str)):
        return "valid must be (a function of the value, what a good value is)"
    return "" if valid[0](field.default) else f"its default must be {valid[1]}"


def typed(field: Field, value: Any) -> Any:
    """Return a flag's value in its type: a whole number may stand for a real one, and for a text.

    Raises UserError for another type.
    """
    kind = type_of(field)
    if kind in (float, str) and type(value) is int:
        return kind(value)
    if kind and type(value) is not kind:
        raise UserError(f"--{field.name} {quoted(value)}: must be of type {kind.__name__}")
    return value


def shown(value: Any) -> str:
    """Return a flag's value as sentences and names have it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def in_a_name(flags: Any, first_always: bool = False) -> str:
    """Return what a run's name has of a plug-in's flags, as <value of the first>-<name><value>, but for defaults."""
    words = ""
    for place, field in enumerate(fields_of(flags)):
        value = getattr(flags, field.name)
        text = file_name(value) if isinstance(value, str) else shown(value)
        if isinstance(value, bool):
            words += f"-{field.name}" * value
        elif value != field.default or first_always and not place:
            words += f"-{field.name}{text}" if place else text
    return words


def floor_of(share: float, number: int) -> int:
    """Return ⌊share·number⌋ of the decimal number that was typed: in floats 0.29·100 falls just short of 29."""
    return int(Fraction(str(share)) * number)


def nearest(word: str, names: Iterable[str]) -> str:
    """Return, to go on a sentence with, which `names` are spelt much like a `word`; "" if none is."""
    found = difflib.get_close_matches(word, dict.fromkeys(names), cutoff=0.7)
    return f"; nearest: {', '.join(found)}" if found else ""


def no_choice(name: str, value: object, choices: Sequence[str], prog: str = "main_lm.py") -> str:
    """Return what a flag's message says of a value that is none of its `choices`, all of which it names if few.

    `prog`: the program whose --help has them.
    """
    near = nearest(str(value), choices)
    if len(choices) > FEW:
        return f"--{name} {value}: no such {name}{near}; {prog} --help lists all {len(choices)}"
    return f"--{name} {value}: must be one of {', '.join(choices)}{near}"


def check_flags(flags: Any) -> None:
    """Raise UserError, naming the flag, for a value of the dataclass `flags` that is out of range."""
    for field in fields_of(flags):
        value, valid, choices = getattr(flags, field.name), field.metadata["valid"], field.metadata["choices"]
        if valid and not valid[0](value):
            raise UserError(f"--{field.name} {value}: must be {valid[1]}")
        if choices and value not in choices:
            raise UserError(no_choice(field.name, value, choices))
