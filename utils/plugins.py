"""Plug-ins: each file NAME.py of a folder is what one flag takes, and may bring flags of its own.

    STRATEGIES.names()             ("averaging", "fedadam", …), from the files' names: none is imported
    STRATEGIES.load("fedadam")     the class that the file defines; of a folder without a base class, the module
    STRATEGIES.flags("fedadam")    the class of its flags: the frozen dataclass `Flags` in what `load` returns

A file that is broken matters to the runs that choose it, and to no other.
"""

import dataclasses
import importlib
import inspect
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.errors import UserError, in_short
from utils.flags import fault_of, no_choice, spellings

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class NoFlags:
    """The flags of a plug-in that has none."""


@dataclass(frozen=True)
class Plugins:
    """The choices of `--flag` ("": all are taken): those that are `built_in`, and the modules of `package`.

    `base`: the class, defined by the package, of which each module defines one subclass; "" where the module itself
    is the plug-in.
    """

    flag: str
    package: str
    built_in: tuple[str, ...] = ()
    base: str = ""

    def names(self) -> tuple[str, ...]:
        """Return all choices; nothing is imported."""
        files = (ROOT / self.package.replace(".", "/")).glob("[!_]*.py")
        return (*self.built_in, *sorted(path.stem for path in files if "." not in path.stem))

    def file(self, name: str) -> str:
        """Return where a plug-in is, as messages name it."""
        return f"{self.package.replace('.', '/')}/{name}.py"

    def load(self, name: str) -> Any:
        """Import a plug-in. Raises UserError, naming its file, if it cannot be imported or is none."""
        package = importlib.import_module(self.package)
        try:
            module = importlib.import_module(f"{self.package}.{name}")
        except Exception as error:  # whatever a user's file may do
            words = error.msg if isinstance(error, SyntaxError) else in_short(error)
            instead = f"give another --{self.flag}" if self.flag else "remove it"
            raise UserError(f"{self._place(name, error)}: {type(error).__name__}: {words}; mend it, or {instead}"
                            ) from error
        if not self.base:
            return module
        base = getattr(package, self.base)
        own = {each for each in vars(module).values()
               if isinstance(each, type) and issubclass(each, base) and each.__module__ == module.__name__}
        if len(own) != 1:
            defined = " and ".join(sorted(each.__name__ for each in own)) or "none"
            raise UserError(f"{self.file(name)}: must define one subclass of {self.package}.{self.base}, and defines "
                            f"{defined}")
        return own.pop()

    def flags(self, name: str, taken: Mapping[str, str] = {}) -> type:
        """Return the class of a plug-in's flags, whose values have defaults, are hashable and picklable by reference.

        `taken`: names that no flag of it may have, each with the owner. Raises UserError for a name that is no choice,
        as `load` does, and, naming file and flag, for a flag that is not declared as `utils.flags.flag` says.
        """
        if name not in self.names():
            raise UserError(no_choice(self.flag, name, self.names()))
        cls = NoFlags if name in self.built_in else getattr(self.load(name), "Flags", NoFlags)
        # A subclass without a decorator of its own would have the fields of its base alone.
        if not isinstance(cls, type) or "__dataclass_fields__" not in vars(cls) \
                or not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise UserError(f"{self.file(name)}: its class Flags must be a dataclass(frozen=True)")
        owners = dict(taken)
        for field in dataclasses.fields(cls):
            if fault := fault_of(field):
                raise UserError(f"{self.file(name)}: flag {field.name}: {fault}")
            for spelling in (field.name, *field.metadata["also"]):
                if spelling in owners:
                    raise UserError(f"{self.file(name)}: flag {spelling}: {owners[spelling]} has one of this name; "
                                    "give it another")
                owners[spelling] = "it"
        return cls

    def owners(self, flag: str) -> list[str]:
        """Return the plug-ins that have such a flag, without those that are broken."""
        found = []
        for name in self.names():
            try:
                if flag in spellings(self.flags(name)):
                    found.append(name)
            except UserError:
                continue
        return found

    def sentence(self, name: str) -> str:
        """Return what a plug-in says of itself on one line: the first paragraph of its own docstring; "" without."""
        words = None if name in self.built_in else vars(self.load(name)).get("__doc__")
        return " ".join(inspect.cleandoc(words or "").partition("\n\n")[0].split())

    def group(self, name: str) -> str:
        """Return what --help lists a plug-in that is no built-in under; "" where it does not say so."""
        return getattr(self.load(name), "group", "")

    def _place(self, name: str, error: Exception) -> str:
        """Return the file and line that an error in importing a plug-in comes from, as far as they are known."""
        if isinstance(error, SyntaxError) and error.filename:
            file = Path(error.filename)
            return f"{file.relative_to(ROOT) if file.is_relative_to(ROOT) else file} line {error.lineno}"
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
                 if Path(frame.filename) == ROOT / self.file(name)]
        return f"{self.file(name)} line {lines[-1]}" if lines else self.file(name)


STRATEGIES = Plugins("strategy", "strategies", base="Strategy")
PARTITIONERS = Plugins("partitioner", "utils.data.partitioners", built_in=("lang_mix",))
TRAINED = Plugins("train", "utils.model.trained", built_in=("all",))
TRACKERS = Plugins("track", "utils.record.trackers", built_in=("none",))
EVALUATION_SETS = Plugins("", "utils.data.evaluation_sets")
