"""What intervals and answers decide: many comparisons at once, whether anything is learnt, how many seeds it takes."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from reports.answers import Answers
from reports.intervals import LEVEL, Interval
from reports.weighted import WEIGHTED

POWER = 0.8
MOST_SEEDS = 10_000

Key = TypeVar("Key", bound=Hashable)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values of one table adjusted for its number of comparisons (Holm 1979).

    A comparison whose adjusted value is at most 5 % stands, and the chance that any of those that stand has no true
    difference is at most 5 %.
    """
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, (len(p_values) - rank) * p_values[place])
        adjusted[place] = min(1.0, highest)
    return adjusted


def adjusted_p(p_values: Mapping[Key, float | None]) -> dict[Key, float]:
    """Return `holm`'s values of those of one table that have a p value, by their keys."""
    tested = {key: p for key, p in p_values.items() if p is not None}
    return dict(zip(tested, holm([*tested.values()])))


def mcnemar(method: Answers, baseline: Answers) -> float:
    """Return the p value of McNemar's exact test: whether one of two runs is right more often on the rows where
    exactly one of them is; 1 where there is no such row. Both have answered the same rows, with classes.
    """
    from scipy.stats import binomtest

    right, other = (run.predictions == run.labels for run in (method, baseline))
    ours, theirs = int((right & ~other).sum()), int((other & ~right).sum())
    return float(binomtest(ours, ours + theirs).pvalue) if ours + theirs else 1.0


def commonest(metric: str, answers: Answers, majority: float) -> Answers:
    """Return the answers of always saying the commonest training label, whose macro score in the record is `majority`.

    Which label that is the record does not say: it is the one whose score comes nearest. For a correlation, 0 for any
    constant, it does not matter.
    """
    constants = np.unique(answers.labels) if metric in ("accuracy", "f1") else np.zeros(1)
    once = np.ones((1, len(answers.rows)))

    def score(run: Answers) -> float:
        parts = [run.domain == place for place in range(len(run.domains))]
        return float(np.mean([WEIGHTED[metric](run.labels[part], run.predictions[part], once[:, part])
                              for part in parts]))

    return min(map(answers.always, constants), key=lambda run: abs(score(run) - majority))


def learnt(over_majority: Interval) -> bool:
    """Say whether a method has learnt anything, from the interval of its scores' gain over the majority class's."""
    return over_majority.low > 0


def seeds_needed(found: Interval, gain: float) -> int | None:
    """Return how many seeds decide a true gain of this size with a chance of 80 %, if seeds and rows go on to vary as
    found; None where no number of seeds does, because the test rows alone are too few.

    Only the seeds' part of the variance falls with their number. Raises ValueError for one seed, by which it is not
    known.
    """
    if found.seeds < 2:
        raise ValueError("one seed does not say how much seeds vary")
    return next((seeds for seeds in numbers_up_to(MOST_SEEDS) if reach(found, seeds) <= abs(gain)), None)


def numbers_up_to(most: int) -> list[int]:
    """Return 2, 3, … 100, and from there numbers 2 % apart, up to `most`."""
    numbers = list(range(2, 100))
    while numbers[-1] < most:
        numbers.append(min(most, math.ceil(numbers[-1] * 1.02)))
    return numbers


def reach(found: Interval, seeds: int) -> float:
    """Return the gain that so many seeds decide with the chance POWER: the half-width for errors of either kind."""
    then = found.with_seeds(seeds)
    return then.half_width(1 - LEVEL) + then.half_width(2 * (1 - POWER))
