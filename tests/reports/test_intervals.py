"""The two-way interval: against the paired t-test, formulas, and simulated gains of known truth."""

import numpy as np
import pytest
from scipy import stats

from reports.answers import Answers
from reports.intervals import Interval, interval
from reports.resampling import Resampling


def test_over_seeds_alone_it_is_the_paired_t_tests():
    differences = np.array([0.031, 0.012, 0.055, -0.004, 0.040])
    reference = stats.ttest_1samp(differences, 0)
    for draws in (np.empty((5, 0)), np.repeat(differences[:, None], 4, axis=1)):  # none, or rows that change nothing
        found = interval(np.column_stack([differences, draws]))
        assert (found.low, found.high) == pytest.approx(tuple(reference.confidence_interval(0.95)))
        assert found.p == pytest.approx(reference.pvalue) and found.seeds == 5


def test_one_seed_has_the_rows_part_alone():
    draws = np.random.default_rng(0).normal(0.1, 0.02, 500)
    found = interval([np.array([0.1, *draws])])
    reference = stats.norm(0.1, draws.std(ddof=1))
    assert (found.low, found.high) == pytest.approx(reference.interval(0.95))
    assert found.p == pytest.approx(2 * stats.norm.sf(0.1 / draws.std(ddof=1)))
    assert (found.seeds, found.by_seeds) == (1, 0)


def test_what_seeds_and_rows_vary_in_together_counts_once():
    random = np.random.default_rng(1)
    gains = 0.1 + 0.03 * random.normal(size=(40, 1)) + 0.02 * random.normal(size=(1, 4001)) + 0.05 * random.normal(
        size=(40, 4001))  # what each draw of rows does to all seeds, and to each
    gains[:, 0] = 0.1 + 0.03 * random.normal(size=40) + 0.05 * random.normal(size=40)
    found = interval(gains)
    assert found.by_rows - found.both == pytest.approx(0.02 ** 2, rel=0.1)
    assert found.both == pytest.approx(0.05 ** 2 / 40, rel=0.1)
    assert found.by_seeds == pytest.approx((0.03 ** 2 + 0.05 ** 2) / 40, rel=0.5)


def test_seeds_without_draws_leave_the_rows_part_as_it_is_for_all():
    """It is that of rows that seeds share, and for each of all seeds that of its own; of one seed, all is shared."""
    random = np.random.default_rng(1)
    gains = 0.1 + 0.02 * random.normal(size=(1, 4001)) + 0.05 * random.normal(size=(40, 4001))
    part = interval([each if seed < 20 else each[:1] for seed, each in enumerate(gains)])
    whole = interval(gains)
    assert (part.mean, part.by_seeds, part.seeds) == (whole.mean, whole.by_seeds, 40)
    assert (part.by_rows, part.both) == pytest.approx((whole.by_rows, whole.both), rel=0.1)
    one = interval([each if seed < 1 else each[:1] for seed, each in enumerate(gains)])
    assert (one.by_rows, one.both) == (pytest.approx(0.02 ** 2 + 0.05 ** 2, rel=0.1), 0)


def test_seeds_that_agree_by_chance_decide_nothing():
    random = np.random.default_rng(2)
    draws = 0.01 + 0.02 * random.normal(size=(3, 4000))
    found = interval(np.column_stack([np.full(3, 0.01), draws]))
    assert found.by_seeds == 0 and found.p > 0.05
    assert found.half_width() == pytest.approx(1.96 * 0.02 / 3 ** 0.5 / 2 ** 0.5, rel=0.05)


def test_p_is_the_level_whose_interval_reaches_0():
    found = Interval(0.1, 4, 0.0004, 0.0005, 0.0002)
    assert found.half_width(found.p) == pytest.approx(0.1)
    assert Interval(0.0, 4, 0.0004, 0.0005, 0.0002).p == Interval(0.0, 3, 0.0).p == 1
    assert Interval(0.1, 3, 0.0).p == Interval(0.1, 2, 0.0).p == 0
    assert 0 < Interval(0.1, 2, 1e-34).p < 1e-15
    assert Interval(-0.1, 4, 0.0004, 0.0005, 0.0002).p == found.p


def test_more_seeds_leave_what_rows_alone_vary():
    found = Interval(0.1, 4, 0.0004, 0.0005, 0.0002)
    many, same = found.with_seeds(4000), found.with_seeds(4)
    assert same == found
    assert (many.by_seeds, many.both) == pytest.approx((4e-7, 2e-7)) and many.by_rows == pytest.approx(0.0003 + 2e-7)
    assert many.half_width() == pytest.approx(1.96 * 0.0003 ** 0.5, rel=1e-2)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("of_seeds, of_rows, of_both", [(1, 0, 0), (0.8, 0.5, 0.3), (0.1, 1, 0.3), (0, 0, 1), (1, 0, 1),
                                                        (0, 0.5, 1)])
def test_the_interval_holds_the_truth_in_92_to_98_of_100(seeds, of_seeds, of_rows, of_both):
    """Gains that are normal, 2,000 times, with the rows' variances known; 0.006 is twice the count's standard error."""
    random = np.random.default_rng(3)
    gains = of_rows * random.normal(size=(2000, 1)) + of_seeds * random.normal(size=(2000, seeds)) + of_both * (
        random.normal(size=(2000, seeds)))
    both = of_both ** 2 / seeds
    found = [Interval(one.mean(), seeds, one.var(ddof=1) / seeds, of_rows ** 2 + both, both) for one in gains]
    assert 0.92 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.986


@pytest.mark.parametrize("rows", [100, 200, 5000])
def test_the_variance_is_right_for_rows_that_all_seeds_share_half_share_or_hardly_share(rows):
    """300 studies of three seeds, each tested on 100 of so many rows; two methods of the same skill."""
    random, means, variances = np.random.default_rng(6), [], []
    for _ in range(300):
        own = random.normal(size=(2, rows))  # what a row is to a method, whatever the seed
        runs = [[], []]
        for _ in range(3):
            mine = np.sort(random.choice(rows, 100, replace=False))
            for method in (0, 1):
                right = 0.8 + own[method, mine] + 0.1 * random.normal() + 0.5 * random.normal(size=100) > 0
                runs[method].append(Answers(mine, ("a", "b"), mine % 2, np.ones(100), 1.0 * right, np.zeros(100)))
        resampling = Resampling(runs[0], 150)
        ours, theirs = ([resampling.scores("accuracy", run).macro for run in some] for some in runs)
        found = interval([one - other for one, other in zip(ours, theirs)])
        means.append(found.mean)
        variances.append(found.by_seeds + found.by_rows - found.both)
    assert np.mean(variances) == pytest.approx(np.var(means), rel=0.2)
