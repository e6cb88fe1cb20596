"""The confidence interval of a gain, over seeds and test rows at once.

A gain is the mean over S seeds of differences of scores, each on the same test rows. Two things vary: the seeds, and
which rows were there to be tested on. With d_s the seeds' gains, s² their sample variance, and V_rows variances over
draws of rows (`reports/resampling.py`: the same draws for all seeds and both methods),

    by seeds   s² / S, with S − 1 degrees of freedom
    by rows    V_rows(mean of d_s)
    both       (mean of V_rows(d_s) − V_rows(mean of d_s)) / (S − 1)

`both` is what seeds and rows vary in together, which each of the first two holds once, in expectation (as in Owen
2007): the gain's variance is their sum less `both`. That holds for rows that all seeds share, that each seed has for
itself, and between.

The interval is the mean ± √(t² · by seeds + z² · (by rows − both)): each part with the quantile of its own
distribution, Student's t and the normal (Howe 1974). It is never narrower than that of half the rows' variance alone,
so that seeds which agree by chance decide nothing. Its coverage on simulated data of known truth (`python -m
benchmarks.coverage`) is in docs/study.md. Satterthwaite's degrees of freedom for the sum, and percentiles of draws of
seeds and rows, are there, too: with three seeds they cover too little.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

LEVEL = 0.95
SMALLEST = 1e-150  # the least p value that is told from 0: the square of its t quantile is finite


@dataclass(frozen=True)
class Interval:
    """A mean gain over `seeds` seeds and the three variances; with one seed, that by rows is all there is.

    `alpha`: the probability with which [low, high] is to miss the truth.
    """

    mean: float
    seeds: int
    by_seeds: float
    by_rows: float = 0.0
    both: float = 0.0
    alpha: float = 1 - LEVEL

    def half_width(self, alpha: float | None = None) -> float:
        """Return half of the width of the interval that is to miss the truth with probability `alpha`, or its own."""
        return math.sqrt(max(self.squares(self.alpha if alpha is None else alpha)))

    def squares(self, alpha: float) -> tuple[float, float, float]:
        """Return the sums of variances of which the largest is the square of that half: seeds alone, seeds and rows,
        and half of the rows alone.
        """
        from scipy.special import ndtri, stdtrit  # quantiles of the normal and of Student's t

        z = ndtri(alpha / 2)
        t = stdtrit(self.seeds - 1, alpha / 2) if self.seeds > 1 else z
        by_seeds = t * t * self.by_seeds
        return by_seeds, by_seeds + z * z * (self.by_rows - self.both), z * z * self.by_rows / 2

    def with_seeds(self, seeds: int) -> "Interval":
        """Return the interval that so many seeds would have, if they and the rows go on to vary as found."""
        part = self.seeds / seeds
        return replace(self, seeds=seeds, by_seeds=self.by_seeds * part, both=self.both * part,
                       by_rows=self.by_rows - self.both * (1 - part))

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

    Seeds may be without draws, [1], or with NaN for them: the rows' parts are those of the others, as all of the seeds
    would have them.
    Without any draws it is the interval over seeds alone.
    """
    first = np.array([each[0] for each in gains])
    seeds, mean = len(first), float(first.mean())
    by_seeds = float(first.var(ddof=1)) / seeds if seeds > 1 else 0.0
    some = [each[1:] for each in gains if len(each) > 1 and not np.isnan(each[1])]
    if not some:
        return Interval(mean, seeds, by_seeds)
    draws, known = np.stack(some), len(some)
    by_rows = float(draws.mean(0).var(ddof=1))
    both = (float(draws.var(axis=1, ddof=1).mean()) - by_rows) / (known - 1) if known > 1 else 0.0
    return replace(Interval(mean, known, 0.0, by_rows, both).with_seeds(seeds), by_seeds=by_seeds)
