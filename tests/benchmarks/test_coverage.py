"""The simulation of the report's intervals: its truth against very many rows, and what it counts, in few trials."""

import json

import numpy as np
import pytest

from benchmarks import coverage
from benchmarks.coverage import METRICS, PRIOR, STRENGTH, WORLDS, World, gains, truth, wrong_decisions
from benchmarks.strongest import over_the_strongest
from reports.intervals import interval
from utils.model.metrics import METRICS as KNOWN


@pytest.mark.parametrize("metric", METRICS)
def test_the_truth_is_the_mean_of_seeds_on_very_many_rows(metric):
    random, world = np.random.default_rng(0), World(by_seeds=0.4, by_rows=0.5)
    scores = []
    for strength in STRENGTH + world.by_seeds * random.normal(size=300):
        signal = random.normal(size=4000) if metric == "pearson" else np.where(random.random(4000) < PRIOR, 1, -1)
        answer = strength * signal + random.normal(size=4000)
        rows = (signal, answer) if metric == "pearson" else (1.0 * (signal > 0), 1.0 * (answer > 0))
        scores.append(KNOWN[metric](*rows))
    assert truth(metric, STRENGTH, world) == pytest.approx(np.mean(scores), abs=4 * np.std(scores) / 300 ** 0.5)
    assert truth(metric, STRENGTH, world) < truth(metric, STRENGTH, World(0.0, 0.5))  # so the seeds' chance counts


def test_the_reports_intervals_hold_the_truth_and_percentiles_of_three_seeds_do_not():
    found = coverage.coverage("accuracy", WORLDS["seeds vary most"], 150)
    assert all(0.92 <= found[seeds, "the report's"] <= 0.985 for seeds in (3, 5, 10)), found
    assert found[3, "percentiles"] < 0.88


def test_where_rows_vary_most_intervals_over_seeds_alone_hold_the_truth_too_seldom():
    found = coverage.coverage("accuracy", WORLDS["rows vary most"], 100)
    assert all(found[seeds, "the report's"] >= 0.92 for seeds in (3, 5, 10)), found
    random, alone = np.random.default_rng(0), []
    for _ in range(100):
        each = gains("accuracy", 0.0, WORLDS["rows vary most"], random)[:, :1]
        over_seeds = interval(list(each))
        alone.append(over_seeds.low <= 0 <= over_seeds.high)
    assert np.mean(alone) < 0.85


def test_the_rule_for_adding_seeds_is_seldom_wrong_where_every_look_is():
    rule, every_look = wrong_decisions(WORLDS["seeds vary most"], 100)
    assert rule <= 0.06 and every_look > 0.1


def test_a_method_is_seldom_called_behind_the_strongest_baseline_where_intervals_are_below_0():
    found = over_the_strongest(5, 100)
    assert found["correlation of held-out and test scores over seeds"] > 0.8
    for seeds in (3, 5, 10):
        behind, below = (found[f"{seeds} seeds: {what}"] for what in ("called behind", "the interval is below 0"))
        assert behind <= 0.05 and behind <= below
    assert found["10 seeds: the interval is below 0"] > 0.03 >= found["10 seeds: called behind"]


def test_lines_through_the_gains_of_rungs_hold_the_truth():
    found = coverage.line_coverage(WORLDS["seeds and rows vary"], 40)  # its standard error: 3.4 %
    assert found.keys() == {(seeds, what) for seeds in (3, 5) for what in ("slope", "zero")}
    assert all(0.87 <= part <= 1 for part in found.values()), found
    true = coverage.true_line(WORLDS["seeds and rows vary"])
    assert true.slope.mean > 0 and true.x[0] < true.crossing.at < true.x[-1]


def test_it_reports_each_estimator(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["coverage", "--small", "--trials", "2", "--out", str(tmp_path)])
    coverage.main()
    figures = json.loads((tmp_path / "coverage.json").read_text())["figures"]
    assert len(figures) == 4 * (4 * 3 * 3 + 4 + 2) + 2 * 15 and all(0 <= figure["value"] <= 100 for figure in figures)
    assert capsys.readouterr().out.count("\n") == len(figures) + 2
