"""What the records of older runs say, in today's words."""

from collections.abc import Mapping
from typing import Any

from utils.config import RunConfig, plugin_flags
from utils.errors import UserError
from utils.flags import fields_of, values_of

#: what runs did before a flag whose default is something else
BEFORE = {"fp32_products": "torch"}


def recorded_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags in a run's record as a run of today would have them.

    A record lacks flags that are newer than it: those of every run, and those of its plug-ins, had their defaults, but
    for BEFORE. Before plug-ins brought flags of their own, every run had `alpha` and `server_lr`. They say nothing
    where the chosen plug-ins have no such flag, and a `server_lr` of 0, which is out of range now, was the optimizer's
    own. Where a plug-in is not here, its flags stay as they are.
    """
    every = values_of(RunConfig) | BEFORE | {**flags}
    try:
        classes = plugin_flags(every)
    except UserError:
        return every
    own = {field.name: field for cls in classes.values() for field in fields_of(cls)}
    valid = own["server_lr"].metadata["valid"] if "server_lr" in own and flags.get("server_lr") == 0 else None
    gone = {"alpha", "server_lr"} - own.keys() | ({"server_lr"} if valid and not valid[0](0) else set())
    return values_of(RunConfig) | BEFORE | {name: field.default for name, field in own.items()} | {
        name: value for name, value in flags.items() if name not in gone}
