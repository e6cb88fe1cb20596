"""What it would take to decide: by simulation, and where only more test rows would do."""

import re

import numpy as np
import pytest
from scipy import stats

from reports.gains import Gain
from reports.intervals import Interval
from reports.needed import needed_notes

SEEN = (0.03, -0.01, 0.02, 0.00)


def test_the_seeds_named_decide_a_true_gain_of_that_size_four_times_in_five():
    [note] = needed_notes({"iid": Gain(SEEN), "noniid": Gain((0.1, 0.11, 0.1))})  # the second is decided
    assert "noniid" not in note and "the test rows taken as they are" in note
    seen, point = map(int, re.fullmatch(r".*: iid (\d+) for the 1\.0 points seen, (\d+) for 1 point\.", note).groups())
    assert seen == point
    random = np.random.default_rng(0)
    gains = random.normal(0.01, np.std(SEEN, ddof=1), (4000, seen))
    assert np.mean(stats.ttest_1samp(gains, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.04)


def test_where_rows_are_too_few_no_number_of_seeds_decides():
    few_rows = Interval(0.01, 4, 1e-4, 1e-4)
    [note] = needed_notes({"iid": Gain(SEEN, both=few_rows)})
    assert note.endswith("iid no number (it takes more test rows) for the 1.0 points seen, no number (it takes more "
                         "test rows) for 1 point.")
    assert "taken as they are" not in note
    [note] = needed_notes({"iid": Gain((0.0, 0.0), both=Interval(0.0, 2, 0.0, 1e-4))})  # there is no gain seen
    assert note.endswith(": iid no number (it takes more test rows) for 1 point.")


def test_what_is_decided_or_has_no_interval_needs_none():
    assert needed_notes({"a": Gain((0.1,)), "b": Gain(()), "c": Gain((0.1, -0.1), learnt=False)}) == []
