"""The held-out rows against the toy table's slices."""

from dataclasses import replace

import numpy as np

from tests.toy import toy_table
from utils.config import RunConfig
from utils.data.evaluation_sets.val import rows
from utils.data.partition import make_plan


def test_they_are_the_training_rows_that_no_client_has(tmp_path):
    table, config = toy_table(tmp_path, n_train=60), RunConfig(data="rte", val_ratio=0.2)
    plan = make_plan(config, table.spec, table.split("train"), table.split("dev"))
    split, domains = rows(config, table, plan)
    assert split == "train" and domains.names == ("slice1", "slice2", "slice3")
    for held_out, third in zip(domains.rows, np.split(np.arange(60), 3), strict=True):
        assert len(held_out) == 4
        assert np.array_equal(held_out, np.setdiff1d(third, np.concatenate(plan.shards)))
    assert rows(replace(config, val_ratio=0.0), table, plan) is None
