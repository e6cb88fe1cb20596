"""Lines through gains, against numpy's and scipy's regressions, Fieller's formula, and gains of known truth."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from scipy import stats

from reports.intervals import interval
from reports.lines import Line, around

X = np.array([61.0, 65.0, 70.0, 72.0, 79.0])


def made_up(slope, zero, seeds, draws, random, by_seed=0.01, by_row=0.01):
    """Gains [seeds, rungs, 1 + draws] of a known line: seeds vary, rows vary for all seeds alike."""
    gains = np.broadcast_to(slope * (X - zero)[None, :, None], (seeds, len(X), 1 + draws)).copy()
    gains += by_seed * random.normal(size=(seeds, len(X), 1))
    if draws:
        gains += by_row * random.normal(size=(1, len(X), 1))
        gains[:, :, 1:] += by_row * random.normal(size=(1, len(X), draws))
    return gains


def test_of_one_seed_it_is_the_least_squares_line():
    gains = 0.1 * np.random.default_rng(0).normal(size=(1, 5, 1))
    slope, offset = np.polyfit(X, gains[0, :, 0], 1)
    line = Line(X, gains)
    assert line.slope.mean == pytest.approx(slope)
    assert line.at(64.0).mean == pytest.approx(slope * 64 + offset)
    assert line.crossing.at == pytest.approx(-offset / slope)
    without = [np.polyfit(np.delete(X, k), np.delete(gains[0, :, 0], k), 1)[0] for k in range(5)]
    assert line.without_one == pytest.approx((min(without), max(without)))


def test_over_seeds_the_slope_has_the_t_interval_of_the_seeds_slopes():
    gains = made_up(0.003, 70, 4, 0, np.random.default_rng(1))
    each = [np.polyfit(X, one[:, 0], 1)[0] for one in gains]
    found, reference = Line(X, gains).slope, stats.ttest_1samp(each, 0)
    assert (found.low, found.high) == pytest.approx(tuple(reference.confidence_interval(0.95)))
    assert found.p == pytest.approx(reference.pvalue)


def test_with_draws_slope_and_height_are_those_of_each_draws_line():
    gains = made_up(0.003, 70, 3, 50, np.random.default_rng(2))
    each = [np.stack([np.polyfit(X, one[:, draw], 1) for draw in range(51)]) for one in gains]
    assert astuple(Line(X, gains).slope) == pytest.approx(astuple(interval([one[:, 0] for one in each])))
    assert astuple(Line(X, gains).at(66.0)) == pytest.approx(astuple(interval([one @ [66.0, 1.0] for one in each])))


def test_the_crossings_interval_is_fiellers():
    gains = made_up(0.004, 69, 5, 0, np.random.default_rng(3), by_seed=0.004)
    heights, slopes = gains[:, :, 0].mean(1), np.array([np.polyfit(X, one[:, 0], 1)[0] for one in gains])
    t = stats.t.ppf(0.975, 4)
    (var_h, cov), (_, var_b) = np.cov(heights, slopes) / 5
    a, b = heights.mean(), slopes.mean()  # of the ratio −a / b: Fieller (1954), eq. for correlated normals
    roots = np.roots([b ** 2 - t ** 2 * var_b, 2 * (a * b - t ** 2 * cov), a ** 2 - t ** 2 * var_h])
    found = Line(X, gains).crossing
    assert (found.low, found.high) == pytest.approx(tuple(sorted(X.mean() + roots)))
    assert found.low < found.at < found.high


@pytest.mark.parametrize("seed", range(30))
def test_the_crossings_ends_are_where_the_lines_interval_leaves_zero(seed):
    random = np.random.default_rng(seed)
    line = Line(X, made_up(random.choice([0.003, 0.0003]), 70, 3, 60, random))
    found = line.crossing

    def holds_zero(place):
        height = line.at(place)
        return abs(height.mean) <= height.half_width()

    inside = np.linspace(max(found.low, found.at - 500), min(found.high, found.at + 500), 200)[1:-1]
    assert all(map(holds_zero, inside))
    for end, out in ((found.low, -1e-3), (found.high, 1e-3)):
        assert not math.isfinite(end) or not holds_zero(end + out * max(1, abs(end)))
    bounded = math.isfinite(found.low) and math.isfinite(found.high)
    assert bounded == (line.slope.p < 0.05)  # both ends are there just where the slope is not 0


def test_a_level_line_crosses_nothing():
    assert Line(X, np.full((3, 5, 1), 0.1)).crossing is None
    assert Line(X[:2], np.zeros((3, 2, 1))).without_one is None
    assert around(0.0, np.array([0.0, 0.0, -1.0])) == (0.0, 0.0)


def test_slope_and_crossing_hold_the_truth_in_about_95_of_100():
    random, slope, zero = np.random.default_rng(4), [], []
    for _ in range(400):
        line = Line(X, made_up(0.002, 70, 5, 60, random, by_seed=0.01, by_row=0.005))
        slope.append(line.slope.low <= 0.002 <= line.slope.high)
        zero.append(line.at(70).low <= 0 <= line.at(70).high)
    assert 0.92 <= np.mean(slope) <= 0.985 and 0.92 <= np.mean(zero) <= 0.985
