"""What it would take to decide a gain: seeds, or test rows."""

from collections.abc import Mapping

from reports.comparing import MOST_SEEDS, POWER, seeds_needed
from reports.gains import Gain
from reports.intervals import Interval

POINT = 0.01


def needed_notes(gains: Mapping[str, Gain]) -> list[str]:
    """Return a note on the seeds that would decide what is undecided: the gain seen, and one of 1 point."""
    undecided = {method: one for method, one in gains.items() if one.verdict == "undecided"}
    parts = [f"{method} {seen(one.interval)}{seeds(one.interval, POINT)} for 1 point"
             for method, one in undecided.items() if one.interval]
    rows = "" if all(one.both for one in undecided.values()) else ", the test rows taken as they are"
    return [f"Seeds that decide a true gain with a chance of {POWER:.0%}, by an interval that leaves out zero, if "
            f"seeds go on to vary as here{rows}: {'; '.join(parts)}."] if parts else []


def seen(found: Interval) -> str:
    """Return what the gain seen takes; "" where it is none."""
    return f"{seeds(found, found.mean)} for the {abs(100 * found.mean):.1f} points seen, " * (abs(found.mean) > 1e-12)


def seeds(found: Interval, gain: float) -> str:
    """Return a number of seeds, or what it takes instead."""
    number = seeds_needed(found, gain)
    if number is not None:
        return str(number)
    return "no number (it takes more test rows)" if found.by_rows > found.both else f"more than {MOST_SEEDS}"
