"""What the records of older runs say, in today's words."""

from collections.abc import Mapping
from typing import Any

from utils.config import WITH_FLAGS, RunConfig, plugin_flags
from utils.errors import UserError
from utils.flags import fields_of


def recorded_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags in a run's record as a run of today would have them.

    Before plug-ins brought flags of their own, every run had `alpha` and `server_lr`. They say nothing where the chosen
    plug-ins have no such flag, and a `server_lr` of 0, which is out of range now, was the optimizer's own.
    """
    defaults = {plugins.flag: getattr(RunConfig, plugins.flag) for plugins in WITH_FLAGS}
    try:
        classes = plugin_flags({**defaults, **flags})
    except UserError:  # a record of a plug-in that is not here
        return {**flags}
    own = {field.name: field for cls in classes.values() for field in fields_of(cls)}
    kept = {name: value for name, value in flags.items() if name in own or name not in ("alpha", "server_lr")}
    valid = own["server_lr"].metadata["valid"] if kept.get("server_lr") == 0 else None
    return kept | ({"server_lr": own["server_lr"].default} if valid and not valid[0](0) else {})
