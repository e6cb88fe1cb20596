"""A run's flags as Flower's configuration holds them: TOML values under the flags' own names."""

from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

from utils.config import RunConfig
from utils.errors import UserError, quoted


def config_of(settings: Mapping[str, bool | int | float | str], tasks: Sequence[str]) -> RunConfig:
    """Return the RunConfig of `settings`: {flag: value}, with - or _ in a flag's name; the others have their defaults.

    Raises UserError, naming the flag, for one that does not exist, a value of another type, and all that RunConfig
    refuses. `tasks` are the names that `data` takes.
    """
    types = get_type_hints(RunConfig)
    values: dict[str, Any] = {}
    for key, value in settings.items():
        name = key.replace("-", "_")
        if name not in types:
            raise UserError(f"--{key}: no such flag; main_lm.py --help lists them")
        if types[name] is float and type(value) is int:
            value = float(value)
        if type(value) is not types[name]:
            raise UserError(f"--{name} {quoted(value)}: must be of type {types[name].__name__}")
        values[name] = value
    config = RunConfig(**values)
    if config.data not in tasks:
        raise UserError(f"--data {config.data}: no such task; the tasks are {', '.join(tasks)}")
    return config
