"""What a container, or a job of a batch system, is allowed: the limits of this process's control groups (Linux)."""

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc/self")


def cpu_quota(proc: Path = PROC) -> float:
    """Return how many cores' time this process and those beside it may take; infinity where nothing limits them."""
    found = [_numbers(folder, "cpu.max") or _numbers(folder, "cpu.cfs_quota_us", "cpu.cfs_period_us")
             for folder in _folders("cpu", proc)]
    return min((quota / period for quota, period in filter(None, found) if quota > 0), default=math.inf)


def memory_limit(proc: Path = PROC) -> float:
    """Return how many bytes of memory this process and those beside it may take; infinity where nothing limits them."""
    found = [_numbers(folder, "memory.max", "memory.limit_in_bytes") for folder in _folders("memory", proc)]
    return min((limit for limits in found for limit in limits), default=math.inf)


def _numbers(folder: Path, *names: str) -> list[float]:
    """Return the numbers in a group's files, of those that it has."""
    texts = [(folder / name).read_text() for name in names if (folder / name).is_file()]
    return [math.inf if word == "max" else float(word) for text in texts for word in text.split()]


def _folders(controller: str, proc: Path) -> Iterator[Path]:
    """Yield the folders of this process's groups that may have a limit of `controller`, each before those above it.

    They are of version 1 of control groups, or 2. A container sees its own group as the root of what is mounted,
    whatever its name is outside.
    """
    groups: dict[str, str] = {}
    mounts: list[str] = []
    with suppress(OSError):  # not on Linux
        for line in (proc / "cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            groups |= dict.fromkeys(names.split(","), path)
        mounts = (proc / "mountinfo").read_text().splitlines()
    for line in mounts:
        where, _, what = line.partition(" - ")
        (root, mount), (kind, _, options) = where.split()[3:5], what.split(" ", 2)
        name = {"cgroup2": "", "cgroup": controller}.get(kind)
        if name in groups and name in ("", *options.split(",")):
            group = Path(groups[name])
            below = group.relative_to(root) if group.is_relative_to(root) else Path()
            yield from (Path(mount) / part for part in (below, *below.parents))
