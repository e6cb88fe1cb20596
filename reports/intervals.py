"""The confidence interval of a gain, over seeds and test rows at once.

A gain is the mean over S seeds of differences of scores, each on the same test rows. Two things vary: the seeds, and
which rows were there to be tested on. With d_s the seeds' gains, s² their sample variance, and V_rows variances over
draws of rows (`reports/resampling.py`: the same draws for all seeds and both methods),

    seeds' part  s² / S                                              with S − 1 degrees of freedom
    rows' part   V_rows(mean of d_s) − both
    both         (mean of V_rows(d_s) − V_rows(mean of d_s)) / (S − 1)

Their sum is the variance of the gain. `both` is what varies by seed and row together, which s² and V_rows each hold
once (Owen 2007 on such two-way draws); it is taken out once, and no more of it than the seeds' part has, so that the
sum is never below the larger one. That holds for rows that all seeds share, that each seed has for itself, and between.

The interval is the mean ± √(t² · seeds' part + z² · rows' part), each part with the quantile of its own distribution,
Student's t and the normal (Howe 1974). Its coverage on simulated data of known truth (`python -m benchmarks.coverage`)
is in docs/study.md; Satterthwaite's degrees of freedom for the sum, and the plain percentiles of two-way draws, cover
too little with three seeds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
SMALLEST = 1e-150  # the least p value that is told from 0: the square of its t quantile is finite


@dataclass(frozen=True)
class Interval:
    """A mean gain over `seeds` seeds, and the parts of its variance; with one seed the rows' part is all there is."""

    mean: float
    seeds: int
    by_seeds: float
    by_rows: float

    def half_width(self, alpha: float = 1 - LEVEL) -> float:
        """Return half of the width of the interval that is to miss the truth with probability `alpha`."""
        from scipy.special import ndtri, stdtrit  # quantiles of the normal and of Student's t

        by_seeds = stdtrit(self.seeds - 1, alpha / 2) ** 2 * self.by_seeds if self.seeds > 1 else 0.0
        return math.sqrt(by_seeds + ndtri(alpha / 2) ** 2 * self.by_rows)

    @property
    def low(self) -> float:
        return self.mean - self.half_width()

    @property
    def high(self) -> float:
        return self.mean + self.half_width()

    @property
    def p(self) -> float:
        """The p value of no gain, two-sided: the `alpha` whose interval just reaches 0."""
        from scipy.optimize import brentq

        if abs(self.mean) <= self.half_width(1):
            return 1.0
        if abs(self.mean) >= self.half_width(SMALLEST):
            return 0.0
        return math.exp(brentq(lambda log: self.half_width(math.exp(log)) - abs(self.mean), math.log(SMALLEST), 0))


def interval(gains: Sequence[np.ndarray]) -> Interval:
    """Return the interval of the mean of the seeds' gains, [1 + draws] each: on the rows, and on each draw of them.

    Without draws it is the one over seeds alone.
    """
    each = np.stack(gains)
    seeds, draws = len(each), each.shape[1] - 1
    by_seeds = float(each[:, 0].var(ddof=1)) / seeds if seeds > 1 else 0.0
    by_rows = 0.0
    if draws > 1:
        of_mean = float(each[:, 1:].mean(0).var(ddof=1))
        both = (float(each[:, 1:].var(axis=1, ddof=1).mean()) - of_mean) / (seeds - 1) if seeds > 1 else 0.0
        by_rows = max(0.0, of_mean - min(both, by_seeds))
    return Interval(float(each[:, 0].mean()), seeds, by_seeds, by_rows)
