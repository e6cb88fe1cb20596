"""Verdicts of many gains at once: Holm's correction, in one comparison's table and in the overview of several."""

import numpy as np
import pytest
from scipy import stats

from reports.gain_tables import gain_table, overview_table
from reports.gains import judge
from reports.records import read_records
from reports.sentences import gain_sentence, headline_sentence
from tests.reports.toy_records import write_run

#: each method's differences to the baseline, with seeds 1 to 3: alone the first two are ahead, among five one is
DIFFERENCES = {"iid": (0.10, 0.13, 0.115), "noniid": (0.05, 0.06, 0.09), "noniid-ties": (0.01, -0.02, 0.03),
               "noniid-dare": (0.0, 0.02, -0.03), "noniid-magmax": (-0.01, 0.02, 0.0)}
BASE = (0.50, 0.55, 0.52)


def write_all(folder, **flags):
    for seed, base in enumerate(BASE, start=1):
        write_run(folder / f"c{seed}", "centralized", seed, (base, base), **flags)
        for method, differences in DIFFERENCES.items():
            score = base + differences[seed - 1]
            write_run(folder / f"{method}{seed}", method, seed, (score, score), **flags)


@pytest.fixture
def judged(tmp_path):
    write_all(tmp_path)
    return judge(read_records([tmp_path]).comparisons[0])


def holm(values):
    """Holm's adjusted p values by their definition, the largest of those before and of rank × p."""
    order = np.argsort(values)
    steps = np.maximum.accumulate((len(values) - np.arange(len(values))) * np.array(values)[order])
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1, steps)
    return adjusted


def test_a_verdict_is_by_the_p_value_among_all_methods(judged):
    raw = [stats.ttest_1samp(differences, 0).pvalue for differences in DIFFERENCES.values()]
    expected = dict(zip(DIFFERENCES, holm(raw)))
    assert {method: found[None].p for method, found in judged.gains.items()} == pytest.approx(expected)
    rows = {row[0]: row for row in gain_table(judged).rows[1:]}
    assert raw[1] < 0.05 < expected["noniid"]
    assert [rows["iid"][3:5], rows["noniid"][3:5]] == [[f"{expected['iid']:.3f}", "ahead"],
                                                       [f"{expected['noniid']:.3f}", "undecided"]]
    assert gain_sentence(judged, "noniid").endswith(
        f"undecided with 3 seeds (corrected p {expected['noniid']:.2f})")


def test_a_domain_s_gain_is_one_of_no_table(judged):
    found = judged.gains["noniid"]["a"]
    assert found.corrected is None and found.p == pytest.approx(stats.ttest_1samp(DIFFERENCES["noniid"], 0).pvalue)


def test_the_overview_corrects_for_all_comparisons(tmp_path):
    for k in range(3):
        write_all(tmp_path / str(k), model=f"m{k}")
    several = [judge(compared) for compared in read_records([tmp_path]).comparisons]
    assert several[0].gains["iid"][None].verdict == "ahead"
    values = holm([stats.ttest_1samp(differences, 0).pvalue for differences in DIFFERENCES.values()] * 3)
    assert values[0] == pytest.approx(15 * stats.ttest_1samp(DIFFERENCES["iid"], 0).pvalue) and values[0] > 0.05
    assert overview_table(several).rows[1][1] == "+11.5 [+7.8, +15.2] (undecided)"
    assert headline_sentence(several) == "Averaging beats standard fine-tuning in 0 of 15 comparisons; 15 undecided"
