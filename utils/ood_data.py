"""The evaluation sets that `--ood_data` names: NAME[:split][@domain], with commas between."""

import re
from dataclasses import dataclass

_PART = "[A-Za-z0-9_.-]{1,100}"  # what a split or a domain of a table may be called
_FORM = re.compile(rf"(?P<task>\w+)(:(?P<split>{_PART}))?(@(?P<domain>{_PART}))?", re.ASCII)


@dataclass(frozen=True)
class Asked:
    """One of them: rows of a task's table. `split` "": the task's own test split; `domain` "": all of its domains."""

    task: str
    split: str = ""
    domain: str = ""

    @property
    def name(self) -> str:
        """The set's name in records, which can be part of a file's name: xnli-test-de."""
        return "-".join(filter(None, (self.task, self.split, self.domain)))

    def __str__(self) -> str:
        """Return it as it is typed: xnli:test@de."""
        return self.task + f":{self.split}" * bool(self.split) + f"@{self.domain}" * bool(self.domain)


def asked_sets(ood_data: str) -> tuple[Asked, ...]:
    """Return the sets in the order given, none for "". Raises ValueError for what has another form."""
    found = [_FORM.fullmatch(each) for each in ood_data.split(",")] if ood_data else []
    if None in found:
        raise ValueError(f"{ood_data!r} is no list of NAME[:split][@domain]")
    return tuple(Asked(**match.groupdict("")) for match in found if match)


def _is_list(ood_data: str) -> bool:
    try:
        names = [asked.name for asked in asked_sets(ood_data)]
    except ValueError:
        return False
    return len({*names}) == len(names)


#: what the flag's value must be, see utils/flags.py
OOD_DATA = _is_list, "NAME[:split][@domain], each once, with commas between, such as hans,xnli:test@de"
