"""Draws of test rows, against variances by formula and the runs' own metrics."""

import numpy as np
import pytest

from reports.answers import Answers
from reports.resampling import Resampling
from utils.data.task import TaskSpec
from utils.model.metrics import METRICS, evaluate_domains


def answers(rows, sizes, seed=0, classes=2):
    """Made-up answers on `rows`, which lie in domains of these `sizes` in turn."""
    random, n = np.random.default_rng(seed), len(rows)
    return Answers(np.array(rows), tuple("abcd"[:len(sizes)]), np.repeat(np.arange(len(sizes)), sizes),
                   random.integers(0, classes, n).astype(float), random.integers(0, classes, n).astype(float),
                   np.zeros(n))


@pytest.mark.parametrize("metric", METRICS)
def test_the_first_scores_are_those_of_the_record(metric):
    run = answers(range(90), (50, 30, 10), classes=2 if metric == "f1" else 4)
    spec = TaskSpec(name="toy", kind="classification", text=("sentence",), labels=tuple("pqrs"), metrics=(metric,),
                    prompt="{sentence}", label_words=tuple("pqrs"))
    parts = [np.flatnonzero(run.domain == k) for k in range(3)]
    recorded = evaluate_domains(spec, run.domains, parts, run.labels, run.predictions, run.loss, run.loss + 1)
    scores = Resampling([run], 5).scores(metric, run)
    assert scores.macro[0] == pytest.approx(recorded[metric], abs=1e-12)
    assert scores.pooled[0] == pytest.approx(METRICS[metric](run.labels, run.predictions), abs=1e-12)
    assert {name: scores.of(name)[0] for name in run.domains} == pytest.approx(
        {name: part[metric] for name, part in recorded["domains"].items()}, abs=1e-12)
    assert scores.of(None) is scores.macro and len(scores.macro) == 6


def test_translations_are_drawn_together():
    """The same sentences in two languages say no more than in one, where the answers are the same."""
    one = answers(range(60), (60,))
    both = Answers(np.arange(120), ("a", "b"), np.repeat([0, 1], 60), *(np.tile(each, 2) for each in (
        one.labels, one.predictions, one.loss)))
    alone, twice = Resampling([one], 4000), Resampling([both], 4000, parallel=60)
    assert (twice.counts[:, :60] == twice.counts[:, 60:]).all()
    variance = alone.scores("accuracy", one).macro[1:].var()
    assert twice.scores("accuracy", both).macro[1:].var() == pytest.approx(variance, rel=0.1)
    apart = Resampling([both], 4000).scores("accuracy", both).macro[1:].var()
    assert apart == pytest.approx(variance / 2, rel=0.1)


def test_a_language_without_a_sentence_in_a_draw_has_all_of_its_own():
    """Of 40 sentences the second language has one."""
    run = Answers(np.array([*range(40), 43]), ("a", "b"), np.repeat([0, 1], (40, 1)), *np.ones((3, 41)))
    found = Resampling([run], 500, parallel=40)
    scores = found.scores("accuracy", run)
    assert (scores.domains["b"] == 1).all() and (found.counts[:, 3] == 0).any()


def test_draws_have_the_unbiased_variance_of_each_domains_mean():
    run = answers(range(60), (50, 7, 3))
    scores = Resampling([run], 20_000).scores("accuracy", run)
    right = [(run.predictions == run.labels)[run.domain == k] for k in range(3)]
    of_domains = np.array([part.var(ddof=1) / len(part) for part in right])
    assert [scores.domains[name][1:].var() for name in run.domains] == pytest.approx(of_domains, rel=0.05)
    assert scores.macro[1:].var() == pytest.approx(of_domains.sum() / 9, rel=0.05)  # domains are drawn for themselves


def test_runs_share_the_draws_of_the_rows_that_they_share():
    whole, first, last = answers(range(40), (40,)), answers(range(30), (30,)), answers(range(20, 40), (20,))
    resampling = Resampling([whole, first, last], 50)
    counts = resampling.counts[1:].astype(int)
    assert (counts.sum(1) == 39).all() and (resampling.counts[0] == 1).all()
    again = Resampling([last, whole], 50)
    assert (again.counts == resampling.counts).all()
    right = (last.predictions == last.labels).astype(int)
    expected = [right @ times / times.sum() for times in counts[:, 20:]]
    assert resampling.scores("accuracy", last).macro[1:] == pytest.approx(expected)


def test_a_domain_of_one_row_has_it_always():
    run = answers([3, 8, 9], (1, 2))
    assert (Resampling([run], 20).counts[:, 0] == 1).all()


def test_chunks_change_no_bit(monkeypatch):
    run = answers(range(60), (50, 10))
    whole = Resampling([run], 300).scores("f1", run)
    monkeypatch.setattr("reports.resampling.AT_ONCE", 700)
    assert np.array_equal(Resampling([run], 300).scores("f1", run).macro, whole.macro)
