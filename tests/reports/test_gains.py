"""Gains, their intervals and their tables, against numbers reckoned by hand and by scipy.stats."""

import csv
import io
import math

import numpy as np
import pytest
from scipy import stats

from reports.csv_lines import csv_text
from reports.gain_tables import gain_table
from reports.gains import Gain, judge, unpaired
from reports.intervals import Interval
from reports.records import read_records
from reports.scores import score_table
from reports.sentences import gain_sentence, headline_sentence
from reports.tables import latex, latex_text, markdown, markdown_text, score_cell
from tests.reports.toy_records import write_run, write_study


@pytest.fixture
def study(tmp_path):
    return read_records([write_study(tmp_path)]).comparisons[0]


def test_the_interval_is_the_paired_t_tests():
    differences = (0.031, 0.012, 0.055, -0.004, 0.040)
    reference = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    found = Gain(differences)
    assert np.allclose([found.mean - found.half_width, found.mean + found.half_width], reference)
    # and by the printed t table: 2.776 for 4 degrees of freedom
    assert math.isclose(found.half_width, 2.776 * np.std(differences, ddof=1) / 5 ** 0.5, rel_tol=1e-3)


@pytest.mark.parametrize("differences, budget, verdict", [
    ((), 1.0, "no pair"), ((0.1,), 1.0, "one seed: no interval"), ((0.0,), 1.0, "tie; one seed: no interval"),
    ((0.0, 0.0), 1.0, "tie"), ((0.1, -0.1), 1.0, "undecided"), ((0.10, 0.11), 1.0, "ahead"),
    ((-0.10, -0.11), 1.0, "behind"), ((0.10, 0.11), 2.0, "other budget: 2 x the rows"), ((0.1, 0.11), 1.04, "ahead")])
def test_verdicts(differences, budget, verdict):
    assert Gain(differences, budget).verdict == verdict


def test_a_gain_below_0_counts_the_baselines_that_its_own_was_chosen_from():
    """The choice, on the same runs, favours the baseline: so it makes no method look ahead."""
    ahead, behind = ((0.10, 0.11, 0.14), (-0.10, -0.11, -0.14))
    one = stats.ttest_1samp(ahead, 0).pvalue
    assert Gain(behind).p == pytest.approx(one) and Gain(behind, candidates=3).p == pytest.approx(3 * one)
    assert Gain(ahead, candidates=3).p == pytest.approx(one) and Gain(behind, candidates=1000).p == 1
    assert Gain(behind, candidates=6).verdict == "undecided" and Gain(behind, candidates=3).verdict == "behind"


def test_no_difference_with_a_wide_interval_is_no_tie():
    """Each seed has as many right as its baseline, on other rows."""
    assert Gain((0.0, 0.0), both=Interval(0.0, 2, 0.0, 1e-3)).verdict == "undecided"
    assert Gain((0.0,), both=Interval(0.0, 1, 0.0, 1e-3)).verdict == "one seed: rows alone"
    assert Gain((0.0, 0.0), both=Interval(0.0, 2, 0.0)).verdict == "tie"  # the same rows


def test_gains_are_paired_by_seed(study):
    found = judge(study).gains["iid"][None]
    assert np.allclose(found.differences, (0.1, 0.0))  # seed 3 has no partner
    assert math.isclose(100 * found.half_width, 12.706 * 5.0, rel_tol=1e-4)  # t of 1 degree · s/√2 = 7.07/1.41
    assert np.allclose(judge(study).gains["iid"]["a"].differences, (0.1, 0.0))
    assert unpaired(judge(study)) == ["Missing: centralized has no run of seed 3, so iid has no pair there."]
    assert "nothing that a gain could be over" in unpaired(judge(study, "noniid"))[0]


def test_tables(study):
    assert score_cell([0.5]) == "50.0" and score_cell([0.5, 0.7]) == "60.0 ± 14.1"  # sqrt(2) · 10
    header, central, iid, majority = score_table(judge(study)).rows
    assert header == ["method", "seeds", "rows trained", "accuracy", "a", "b"]
    assert central == ["centralized", "2", "24", "65.0 ± 7.1", "75.0 ± 7.1", "55.0 ± 7.1"]
    assert majority == ["majority class", "", "0", "−900.0", "−900.0", "−900.0"]
    assert gain_table(judge(study)).rows[1][:4] == ["iid", "2", "+5.0 [−58.5, +68.5]", "0.500"]
    assert gain_table(judge(study, "noniid")).rows[1][2:5] == ["—", "—", "no pair"]
    lines = markdown(score_table(judge(study))).splitlines()[2:]
    assert len(lines) == 5 and len({len(line) for line in lines}) == 1


def test_a_tie_for_the_best_is_said(tmp_path):
    write_run(tmp_path / "c", "centralized", 1, (0.8, 0.6))
    write_run(tmp_path / "i", "iid", 1, (0.6, 0.8))
    compared = read_records([tmp_path]).comparisons[0]
    assert score_table(judge(compared)).notes == ["Tie for the best mean: centralized, iid."]


def test_csv_holds_unrounded_numbers(study):
    rows = list(csv.DictReader(io.StringIO(csv_text([judge(study)]))))
    assert len(rows) == 2 * 3 and {row["domain"] for row in rows} == {"", "a", "b"}
    row = next(row for row in rows if row["method"] == "iid" and not row["domain"])
    assert math.isclose(float(row["gain"]), 0.05) and math.isclose(float(row["gain_low"]), 0.05 - 0.63531, rel_tol=1e-4)
    assert row["pairs"] == "2" and row["seeds"] == "1 2 3"


def test_escapes():
    assert latex_text(r"a_b & 5% \x {$}") == r"a\_b \& 5\% \textbackslash{}x \{\$\}"
    assert markdown_text("a|b <i> ![x](http://y)\x1b[31m\n") == r"a\|b \<i> !\[x](http://y) [31m"


def test_a_latex_table_has_as_many_cells_as_columns(study):
    text = latex(gain_table(judge(study)))
    assert r"\begin{tabular}{lrrrrrr}" in text and text.count("{") == text.count("}")
    assert {line.count("&") for line in text.splitlines() if line.endswith(r"\\")} == {6}


def test_sentences(study, tmp_path):
    assert gain_sentence(judge(study), "iid") == (
        "Averaging is 5.0 ± 63.5 points ahead of standard fine-tuning on toy, m (iid): undecided with 2 seeds")
    for seed, score in ((1, 0.90), (2, 0.81)):
        write_run(tmp_path / f"n{seed}", "noniid", seed, (score, score - 0.2), test=5)
        write_run(tmp_path / f"d{seed}", "centralized", seed, (score - 0.1, score - 0.3), test=5)
    other, first = read_records([tmp_path]).comparisons[::-1]
    assert gain_sentence(judge(other), "noniid").startswith(
        "Averaging beats standard fine-tuning by 10.0 ± 0.0")
    assert headline_sentence([judge(first), judge(other)]) == (
        "Averaging beats standard fine-tuning in 1 of 2 comparisons; 1 undecided")


def test_an_outer_optimizer_of_one_client_is_a_method_of_its_own(tmp_path):
    """It is a baseline, so the headline is not about it."""
    for seed, score in ((1, 0.9), (2, 0.8)):
        write_run(tmp_path / f"o{seed}", "centralized-nesterov", seed, (score, score), strategy="nesterov")
        write_run(tmp_path / f"c{seed}", "centralized", seed, (score - 0.1, score - 0.1), strategy="averaging")
        write_run(tmp_path / f"i{seed}", "iid", seed, (score, score), strategy="averaging")
    compared, = read_records([tmp_path]).comparisons
    assert [row[0] for row in score_table(judge(compared)).rows[1:4]] == ["centralized", "centralized-nesterov", "iid"]
    table = gain_table(judge(compared, "centralized"))
    assert table.rows[1][:5] == ["centralized-nesterov", "2", "+10.0 [+10.0, +10.0]", "<0.001", "ahead"]
    assert "(iid)" in headline_sentence([judge(compared)])
