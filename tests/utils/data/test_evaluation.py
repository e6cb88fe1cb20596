"""An evaluation's parts: each row in one of them, put together in order again, and all about as long."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.toy import toy_table
from utils.config import RunConfig
from utils.data.evaluation import check_rows, chosen_rows, evaluation_set
from utils.data.partition import Domains, make_plan
from utils.errors import UserError
from utils.plugins import EVALUATION_SETS


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


@pytest.mark.parametrize("rows, words", [
    ([np.array([-1, 2])], "the rows of domain a must be ascending numbers from 0 to 3"),
    ([np.array([0, 4])], "the rows of domain a must be ascending numbers from 0 to 3"),
    ([np.array([1, 1])], "the rows of domain a must be ascending"),
    ([np.array([True, False, True, True])], "the rows of domain a are bool, not their numbers"),
    ([np.arange(2), np.arange(2)], "2 domains need as many different names")])
def test_rows_that_a_split_does_not_have_are_refused(rows, words):
    check_rows(Domains(("a",), (np.arange(4),)), 4)
    with pytest.raises(ValueError, match=words):
        check_rows(Domains(("a",), tuple(rows)), 4)


@pytest.mark.parametrize("text, words", [
    ("def rows(config, table, plan):\n    return 'moon', plan.test\n",
     "ValueError: no split 'moon'; it has train, dev; mend it"),
    ("def rows(config, table, plan):\n    return plan.test\n", "rows(config, table, plan): "),
    ("def rows(config):\n    return None\n", "TypeError: rows() takes 1 positional argument but 3 were given"),
    ("rows = None\n", "TypeError: 'NoneType' object is not callable")])
def test_a_set_s_own_faults_are_one_line_that_names_its_file(monkeypatch, tmp_path, text, words):
    (tmp_path / "own.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr("utils.data.evaluation_sets.__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "utils.data.evaluation_sets.own", raising=False)
    of_others = type(EVALUATION_SETS).names
    monkeypatch.setattr(type(EVALUATION_SETS), "names",
                        lambda self: ("own",) if self is EVALUATION_SETS else of_others(self))
    table = toy_table(tmp_path)
    config = RunConfig(data="rte")
    plan = make_plan(config, table.spec, table.split("train"), table.split("dev"))
    with pytest.raises(UserError) as raised:
        chosen_rows(config, table, plan)
    assert str(raised.value).startswith("utils/data/evaluation_sets/own.py: ") and words in str(raised.value)
