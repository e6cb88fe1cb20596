"""A line through gains: its slope, its value at any place and where it crosses zero, each with its interval.

The gains of some rungs at x_1 … x_n are known for each seed, on the test rows and on draws of them that are the same
for all rungs. The least-squares line, all rungs weighing the same, is linear in the gains: each seed has its own slope
and height, on each draw its own, and `reports/intervals.py` gives their interval over seeds and test rows as it does a
gain's. It is of these rungs at these x: of what other seeds and other test rows would give them, not of other rungs.

The line crosses zero at −height / slope. Its interval is Fieller's (1954): the x at which the interval of the line's
height holds zero. Where the slope's own interval holds zero there is no end to it on one side or on both: the line may
cross nowhere, and places beyond an end that is there are not left out either. Only the stretch around the crossing is
given.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reports.intervals import LEVEL, Interval, interval

FLAT = 1e-12  # a slope below this is none: its line crosses nothing


@dataclass(frozen=True)
class Crossing:
    """Where a line is zero, and the ends of its interval: -inf or inf where it has none."""

    at: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """The least-squares line through gains float64 [seeds, n, 1 + draws] at x float64 [n], two of which differ."""

    x: np.ndarray
    gains: np.ndarray

    @property
    def centre(self) -> float:
        """The mean of the x, where the line's height is the mean gain."""
        return float(self.x.mean())

    @cached_property
    def slopes(self) -> np.ndarray:
        """Each seed's slope, float64 [seeds, 1 + draws]."""
        return slopes(self.x, self.gains)

    @cached_property
    def slope(self) -> Interval:
        """The slope's interval, in gain for each unit of x."""
        return interval([*self.slopes])

    def at(self, x: float) -> Interval:
        """Return the interval of the line's height at `x`."""
        return interval([*(self.gains.mean(1) + (x - self.centre) * self.slopes)])

    @cached_property
    def crossing(self) -> Crossing | None:
        """Where the line is zero, with Fieller's interval; None for a level line."""
        if abs(self.slope.mean) < FLAT:
            return None
        unit = float(np.ptp(self.x))
        zero = -self.at(self.centre).mean / (self.slope.mean * unit)  # in ranges of x from their centre
        ends = [around(zero, part) for part in held(*(self.at(self.centre + unit * place) for place in (-1, 0, 1)))]
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        return Crossing(*(self.centre + unit * place for place in (zero, low, high)))

    @property
    def without_one(self) -> tuple[float, float] | None:
        """The smallest and the largest slope that is left without one of the places; None where none is left."""
        rest = [np.arange(len(self.x)) != place for place in range(len(self.x))]
        found = [float(slopes(self.x[some], self.gains[:, some, :1]).mean()) for some in rest
                 if len({*self.x[some]}) > 1]
        return (min(found), max(found)) if found else None


def slopes(x: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Return each seed's least-squares slope, [seeds, 1 + draws], of gains [seeds, n, 1 + draws] at `x` [n]."""
    apart = x - x.mean()
    return np.einsum("n,snd->sd", apart / (apart @ apart), gains)


def held(before: Interval, middle: Interval, after: Interval) -> list[np.ndarray]:
    """Return parabolas, each [3] with the highest power first, one of which at least is ≥ 0 where the line's interval
    holds zero: from its intervals at −1, 0 and 1.

    The squared half-width is the largest of three sums of the variances (`Interval.squares`), each of which is a
    parabola of the place, as the squared height is: three places say all of it.
    """
    widths = [each.squares(1 - LEVEL) for each in (before, middle, after)]
    heights = np.array([each.mean ** 2 for each in (before, middle, after)])
    return [parabola(np.array(values) - heights) for values in zip(*widths)]


def parabola(values: np.ndarray) -> np.ndarray:
    """Return the parabola, highest power first, that has these values at −1, 0 and 1."""
    before, middle, after = values
    return np.array([(before + after) / 2 - middle, (after - before) / 2, middle])


def around(place: float, curve: np.ndarray) -> tuple[float, float]:
    """Return the ends of the stretch around `place` on which a parabola is ≥ 0; `place` twice where it is below."""
    if np.polyval(curve, place) < 0:
        return place, place
    ends = [float(root.real) for root in np.roots(curve).astype(complex) if abs(root.imag) < 1e-9]
    return (max((end for end in ends if end < place), default=-math.inf),
            min((end for end in ends if end > place), default=math.inf))
