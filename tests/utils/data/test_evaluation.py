"""An evaluation's parts: each row in one of them, put together in order again, and all about as long."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from utils.data.evaluation import evaluation_set
from utils.data.partition import Domains


@given(st.lists(st.integers(3, 128), min_size=1, max_size=300), st.integers(1, 5), st.integers(1, 5))
def test_parts_make_up_the_whole_and_cost_about_the_same(lengths, n_parts, choices):
    lengths = np.array(lengths, np.int32)
    rows = np.random.default_rng(len(lengths)).permutation(len(lengths))
    domains = Domains(("even", "odd"), (rows[rows % 2 == 0], rows[rows % 2 == 1]))
    whole = evaluation_set("test", "test", domains, np.arange(len(lengths)), lengths, choices)
    parts = [whole.part(k, n_parts) for k in range(n_parts)]
    answers = [np.tile(np.concatenate([np.empty(0), *(whole.rows[batch] for batch in part)]), (3, 1)) for part in parts]
    assert np.array_equal(whole.assemble(answers), np.tile(whole.rows, (3, 1)))
    costs = [sum(lengths[whole.rows[batch]].max() * len(batch) for batch in part) for part in parts]
    most = max(lengths[whole.rows[batch]].max() * len(batch) for batch in whole.batches)
    assert max(costs) - min(costs) <= most
