"""The best of what there is to choose from: by score, of equals by loss."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
EQUAL = 1e-12  # means of the same scores may differ by rounding


def best_of(scores: Mapping[Key, float], losses: Mapping[Key, float]) -> tuple[Key, tuple[Key, ...]]:
    """Return the key of the highest score, and all whose score equals it.

    Of several the one of the lowest loss is taken, of those with equal losses the first.
    """
    equals = tuple(key for key, score in scores.items() if max(scores.values()) - score <= EQUAL)
    lowest = min(losses[key] for key in equals)
    return next(key for key in equals if losses[key] - lowest <= EQUAL), equals
