"""Holm, McNemar, what is learnt, how many seeds it takes."""

import numpy as np
import pytest
from scipy import stats

from reports.answers import Answers
from reports.comparing import commonest, holm, learnt, mcnemar, seeds_needed
from reports.intervals import Interval, interval
from reports.resampling import Resampling


def answers(labels, predictions, domain=None):
    labels = np.array(labels, float)
    domain = np.zeros(len(labels), int) if domain is None else np.array(domain)
    return Answers(np.arange(len(labels)), tuple("abc"[:domain.max() + 1]), domain, labels,
                   np.array(predictions, float), 0 * labels)


def test_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # statsmodels' own example
    assert holm([0.6, 0.4]) == pytest.approx([0.8, 0.8]) and holm([0.9, 0.8, 0.7]) == [1, 1, 1]
    assert holm([]) == [] and holm([0.02]) == [0.02]


def test_holm_keeps_the_error_of_a_whole_table():
    random = np.random.default_rng(0)
    tables = stats.norm.sf(np.abs(random.normal(size=(4000, 6)))) * 2
    wrong = np.mean([min(holm(table)) <= 0.05 for table in tables])
    assert 0.04 < wrong < 0.06  # without it: 26 %


def test_mcnemar():
    labels = np.ones(20)
    method, baseline = np.ones(20), np.ones(20)
    method[:2], baseline[2:11] = 0, 0  # 9 rows for the method, 2 for the baseline
    assert mcnemar(answers(labels, method), answers(labels, baseline)) == pytest.approx(2 * stats.binom.cdf(2, 11, .5))
    assert mcnemar(answers(labels, method), answers(labels, method)) == 1


@pytest.mark.parametrize("metric, majority, constant", [("accuracy", 0.5, 1), ("accuracy", 0.375, 2), ("f1", 0.6, 1),
                                                        ("matthews", 0.0, 0), ("spearman", 0.0, 0)])
def test_the_commonest_label_is_found_by_its_score(metric, majority, constant):
    run = answers([1, 1, 0, 2, 1, 1, 2, 2], [0] * 8, domain=[0] * 4 + [1] * 4)
    assert (commonest(metric, run, majority).predictions == constant).all()


@pytest.mark.parametrize("right, expected", [(0.0, False), (0.53, False), (0.75, True)])
def test_what_says_the_commonest_label_has_learnt_nothing(right, expected):
    """400 rows of two classes, 55 % of which are 1; the method is right in that part of them, or says 1."""
    random = np.random.default_rng(1)
    labels = (np.arange(400) < 220).astype(float)
    runs = [answers(labels, np.where(random.random(400) < right, labels, 1 - labels) if right else labels ** 0)
            for _ in range(3)]
    resampling = Resampling(runs, 500)
    gains = [resampling.scores("accuracy", run).macro
             - resampling.scores("accuracy", commonest("accuracy", run, 0.55)).macro for run in runs]
    assert learnt(interval(gains)) is expected


def test_seeds_needed_are_those_of_the_t_tests_power():
    found = Interval(0.01, 5, 0.02 ** 2 / 5)  # a standard deviation of 2 points over seeds, gain of 1 point
    needed = seeds_needed(found, found.mean)

    def power(n):
        t = stats.t.ppf(0.975, n - 1)
        return stats.nct.sf(t, n - 1, 0.01 / 0.02 * np.sqrt(n))

    assert power(needed) == pytest.approx(0.8, abs=0.02) and 32 <= needed <= 36
    assert seeds_needed(found, -0.02) < needed / 3


def test_no_number_of_seeds_makes_up_for_too_few_rows():
    found = Interval(0.01, 5, 0.0001, 0.01 ** 2)
    assert seeds_needed(found, 0.01) is None and seeds_needed(found, 0.0) is None
    assert seeds_needed(found, 0.04) > 2
    with pytest.raises(ValueError):
        seeds_needed(Interval(0.01, 1, 0.0, 0.0001), 0.01)
