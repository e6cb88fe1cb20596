"""A run's flags as Flower's configuration holds them: TOML values under the flags' own names."""

from collections.abc import Mapping, Sequence

from utils.config import RunConfig
from utils.errors import UserError
from utils.flags import spellings


def config_of(run_config: Mapping[str, bool | int | float | str], tasks: Sequence[str]) -> RunConfig:
    """Return the RunConfig of {flag: value}, with - or _ in a flag's name; the others have their defaults.

    A plug-in's flag whose value is "" is not given: Flower takes only names that pyproject.toml lists, so it lists
    those of all plug-ins. Raises UserError as `RunConfig.of` does, and for a task other than `tasks`.
    """
    values = {key.replace("-", "_"): value for key, value in run_config.items()}
    every = spellings(RunConfig)
    config = RunConfig.of(**{name: value for name, value in values.items() if name in every or value != ""})
    if config.data not in tasks:
        raise UserError(f"--data {config.data}: no such task; the tasks are {', '.join(tasks)}")
    return config
