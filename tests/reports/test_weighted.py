"""Metrics of rows that count several times: as the runs' own on repeated rows, and as scikit-learn's with weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from reports.weighted import WEIGHTED
from utils.model.metrics import METRICS

ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1,
                max_size=40).map(np.array)


def test_they_are_the_metrics_there_are():
    assert WEIGHTED.keys() == METRICS.keys()


@pytest.mark.parametrize("metric", METRICS)
@given(ROWS)
def test_a_row_that_counts_twice_is_there_twice(metric, rows):
    labels, predictions = rows[:, 0] / 7, rows[:, 1] / 7
    if metric in ("accuracy", "matthews", "f1"):
        labels, predictions = labels * 7, predictions * 7
    counts = np.stack([np.ones(len(rows)), rows[:, 2], rows[:, 3]]).astype(float)
    expected = [METRICS[metric](np.repeat(labels, times), np.repeat(predictions, times)) if times.any() else 0
                for times in counts.astype(int)]
    assert WEIGHTED[metric](labels, predictions, counts) == pytest.approx(expected, abs=1e-9)


def test_classes_equal_scikit_learn_with_weights():
    random = np.random.default_rng(3)
    labels, predictions, counts = random.integers(0, 2, 500), random.integers(0, 2, 500), random.poisson(1, (4, 500))
    for metric, other in (("accuracy", reference.accuracy_score), ("f1", reference.f1_score),
                          ("matthews", reference.matthews_corrcoef)):
        expected = [other(labels, predictions, sample_weight=times) for times in counts]
        assert WEIGHTED[metric](labels, predictions, counts.astype(float)) == pytest.approx(expected, abs=1e-12)


def test_correlations_equal_numpy_with_weights():
    random = np.random.default_rng(4)
    labels = random.normal(1e3, 1, 500)  # far from 0: sums of squares would cancel
    predictions, counts = labels + random.normal(size=500), random.poisson(1, (4, 500))
    expected = [np.cov(labels, predictions, fweights=times) for times in counts]
    expected = [float(one[0, 1] / np.sqrt(one[0, 0] * one[1, 1])) for one in expected]
    assert WEIGHTED["pearson"](labels, predictions, counts.astype(float)) == pytest.approx(expected, abs=1e-12)
