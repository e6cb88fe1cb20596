"""McNemar's test per seed, where it is asked for: a table, or a line that says why not."""

import json

import numpy as np
import pytest
from scipy import stats

from reports.contents import contents
from reports.records import read_records
from tests.processes import run_script
from tests.reports.toy_answers import add_answers
from tests.reports.toy_records import write_run
from utils.errors import UserError

#: of 100 rows, how many only the method and only the baseline has right, for each seed; the rest both have
UNEVEN = {1: (12, 2), 2: (3, 3)}


@pytest.fixture
def log(tmp_path):
    labels = np.arange(100) % 2
    for seed, (ours, theirs) in UNEVEN.items():
        for method, wrong in (("iid", slice(ours, ours + theirs)), ("centralized", slice(0, ours))):
            predictions = labels.copy()
            predictions[wrong] = 1 - predictions[wrong]
            add_answers(write_run(tmp_path / f"{method}{seed}", method, seed, (0,)), {"a": (labels, predictions)})
    write_run(tmp_path / "old", "iid", 3, (0.5,))
    write_run(tmp_path / "old-baseline", "centralized", 3, (0.5,))
    for name in ("old", "old-baseline"):  # the same rows, and no answers
        summary = json.loads((tmp_path / name / "summary.json").read_text())
        summary["test"]["domains"]["a"]["rows"] = 100
        (tmp_path / name / "summary.json").write_text(json.dumps(summary))
    return tmp_path


def test_each_pair_of_runs_has_its_p_value(log):
    table = contents(read_records([log]), mcnemar=True).tables()[-1]
    expected = [f"{stats.binomtest(ours, ours + theirs).pvalue:.3f}" for ours, theirs in UNEVEN.values()]
    assert table.caption == "McNemar: toy, m"
    assert table.rows == [["method", "over", "seed 1", "seed 2", "seed 3"], ["iid", "centralized", *expected, "—"]]


def test_it_is_not_there_unless_asked_for(log):
    assert not any(table.caption.startswith("McNemar") for table in contents(read_records([log])).tables())


def test_without_answers_it_is_refused(log):
    for path in log.glob("*/predictions.parquet"):
        path.unlink()
    done = run_script("report.py", log, "--mcnemar")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("report.py: --mcnemar: no run here has a predictions.parquet")


def test_correlations_are_refused(tmp_path):
    """Perfect answers, whose accuracy and correlation are both 1."""
    labels = np.arange(10.0)
    for method in ("iid", "centralized"):
        add_answers(write_run(tmp_path / method, method, 1, (0,)), {"a": (labels, labels)})
        for name in ("summary.json", "rounds.jsonl"):
            path = tmp_path / method / name
            path.write_text(path.read_text().replace("accuracy", "pearson"))
    records = read_records([tmp_path])
    with pytest.raises(UserError, match="scores here are correlations"):
        contents(records, mcnemar=True)
