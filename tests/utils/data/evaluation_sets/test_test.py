"""The test rows of a split: all of them, and those that `--test N` leaves."""

import numpy as np
import pytest

from tests.toy import toy_table
from utils.config import RunConfig
from utils.data.evaluation_sets.test import rows
from utils.data.partition import make_plan


@pytest.mark.parametrize("flag, split, size", [("", "dev", 24), ("dev", "dev", 24)])
@pytest.mark.parametrize("test", [0, 5])
def test_they_are_those_of_the_split_as_test_n_cuts_them(tmp_path, flag, split, size, test):
    table, config = toy_table(tmp_path, n_train=60, n_test=24), RunConfig(data="rte", test_split=flag, test=test)
    plan = make_plan(config, table.spec, table.split("train"), table.split(split))
    chosen, domains = rows(config, table, plan)
    assert chosen == split and domains.names == ("slice1", "slice2", "slice3")
    for tested, third in zip(domains.rows, np.split(np.arange(size), 3), strict=True):
        assert len(tested) == (test or size // 3)
        assert np.array_equal(tested, np.intersect1d(tested, third))
