"""The processor that a result's last bits depend on."""

import platform
from pathlib import Path

VARYING = ("cpu MHz", "bogomips", "BogoMIPS")  # of one processor, from one boot or moment to another


def processor() -> str:
    """Return what the system says of the first processor: model, instructions, caches; on Linux many lines."""
    try:
        first = Path("/proc/cpuinfo").read_text(errors="replace").partition("\n\n")[0]
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(line for line in first.splitlines() if not line.startswith(VARYING))
