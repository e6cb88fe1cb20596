"""Metrics against scikit-learn and SciPy, and the macro average over domains by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from utils.data.task import TaskSpec
from utils.model.metrics import METRICS, evaluate_domains, majority_baseline

SPEC = TaskSpec(name="toy", kind="classification", text=("sentence",), labels=("no", "yes"),
                metrics=("f1", "accuracy"), prompt="{sentence}", label_words=("no", "yes"))
PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60).map(np.array)
SCORES = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=60).map(np.array)


@given(PAIRS)
def test_class_metrics_equal_scikit_learn(pairs):
    labels, predictions = pairs[:, 0].astype(float), pairs[:, 1].astype(float)
    assert METRICS["accuracy"](labels, predictions) == pytest.approx(reference.accuracy_score(labels, predictions))
    assert METRICS["matthews"](labels, predictions) == pytest.approx(
        reference.matthews_corrcoef(labels, predictions), abs=1e-12)
    binary = labels > 1, predictions > 1
    assert METRICS["f1"](*(array.astype(float) for array in binary)) == pytest.approx(
        reference.f1_score(*binary, zero_division=0))


@given(SCORES)
def test_correlations_equal_scipy(pairs):
    labels, predictions = pairs[:, 0] / 4, pairs[:, 1] / 7
    if np.ptp(labels) == 0 or np.ptp(predictions) == 0:
        assert METRICS["pearson"](labels, predictions) == METRICS["spearman"](labels, predictions) == 0
    else:
        assert METRICS["pearson"](labels, predictions) == pytest.approx(
            stats.pearsonr(labels, predictions).statistic, abs=1e-9)
        assert METRICS["spearman"](labels, predictions) == pytest.approx(
            stats.spearmanr(labels, predictions).statistic, abs=1e-9)


def test_domains_are_averaged_alike_whatever_their_size():
    labels = np.array([1.0, 1, 0, 1, 0])
    predictions = np.array([1.0, 0, 0, 1, 1])
    loss, weight = np.array([0.1, 0.9, 0.2, 0.3, 0.7]), np.array([1.0, 2, 1, 1, 1])
    result = evaluate_domains(SPEC, ("a", "b"), [np.array([0, 1, 2]), np.array([3, 4])], labels, predictions,
                              loss, weight)
    assert result["domains"]["a"] == {"rows": 3, "loss": pytest.approx(1.2 / 4), "f1": pytest.approx(2 / 3),
                                      "accuracy": pytest.approx(2 / 3)}
    assert result["domains"]["b"]["accuracy"] == 0.5
    assert result["accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert result["loss"] == pytest.approx((0.3 + 0.5) / 2)
    assert result["rows"] == 5


@given(PAIRS, st.integers(1, 59))
def test_the_pooled_metrics_are_those_of_all_rows_at_once(pairs, cut):
    labels, predictions = (pairs > 1).astype(float).T
    weight = 1.0 + np.arange(len(pairs)) % 3
    parts = [part for part in np.split(np.arange(len(pairs)), [min(cut, len(pairs) - 1)]) if len(part)]
    result = evaluate_domains(SPEC, ("a", "b")[:len(parts)], parts, labels, predictions, labels * weight, weight)
    assert result["pooled"] == {
        "loss": pytest.approx(np.average(labels, weights=weight)),
        "f1": pytest.approx(reference.f1_score(labels, predictions, zero_division=0)),
        "accuracy": pytest.approx(reference.accuracy_score(labels, predictions))}


def test_the_pooled_matthews_and_correlations_are_no_means_over_the_domains():
    labels, predictions = np.array([1.0, 1, 0, 0, 0, 1]), np.array([1.0, 0, 0, 0, 1, 1])
    spec, parts = replace(SPEC, metrics=("matthews", "pearson", "spearman")), [np.arange(4), np.arange(4, 6)]
    ones = np.ones(6)
    pooled = evaluate_domains(spec, ("a", "b"), parts, labels, predictions, ones, ones)["pooled"]
    assert pooled == {"loss": 1.0, "matthews": pytest.approx(reference.matthews_corrcoef(labels, predictions)),
                      "pearson": pytest.approx(stats.pearsonr(labels, predictions).statistic),
                      "spearman": pytest.approx(stats.spearmanr(labels, predictions).statistic)}


def test_majority_baseline_says_the_commonest_training_label():
    labels = np.array([1.0, 0, 1, 1])
    baseline = majority_baseline(SPEC, ("a",), [np.arange(4)], labels, np.array([1.0, 1, 0]))
    assert (baseline["f1"], baseline["accuracy"]) == (pytest.approx(6 / 7), 0.75)
    assert baseline["pooled"] == {"f1": baseline["f1"], "accuracy": 0.75}
    assert baseline["domains"] == {"a": {"rows": 4, "f1": baseline["f1"], "accuracy": 0.75}}
