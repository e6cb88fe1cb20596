"""The commonest label, on a set that does not tell all labels apart."""

import numpy as np
import pytest

from preprocess.common import load
from tests.loading import loaded
from tests.tiny import tiny_once
from tests.toy import toy_rows, toy_table
from utils.config import RunConfig
from utils.data.dataset import TaskData
from utils.data.table import write_table
from utils.record.results import columns_of, majorities, results_of

MNLI, RTE = (load(name).SPEC for name in ("mnli", "rte"))


@pytest.fixture
def data(tmp_path, tmp_path_factory):
    """Seven training rows of MNLI, of which three are entailment, and RTE's rows out of domain."""
    labels = (0, 0, 0, 1, 1, 2, 2)
    rows = [{"premise": row["sentence1"], "hypothesis": row["sentence2"], "label": label, "domain": "slate"}
            for row, label in zip(toy_rows(7, 1), labels)]
    write_table(tmp_path / "mnli", MNLI, {"train": rows, "dev_matched": rows}, "toy")
    toy_table(tmp_path)
    data = TaskData(RunConfig(data="mnli", data_dir=str(tmp_path), ood_data="rte", domain_by="slices"), MNLI, (RTE,))
    data.tokenise(loaded(tiny_once(tmp_path_factory.getbasetemp(), "bert"), MNLI)[1], False)
    return data


def test_labels_that_a_set_does_not_tell_apart_count_as_one(data):
    own, other = majorities(data).values()
    assert own["domains"].keys() == {"slice1", "slice2", "slice3"} and own["rows"] == 7
    assert own["domains"]["slice1"]["accuracy"] == 1  # all three are entailment, the commonest of three labels
    labels = data.evaluation_sets[1].labels
    assert other["accuracy"] == np.mean(labels == 1) == 0.5 and {*labels} == {0, 1}
    answers = {each.name: [np.stack([each.labels, each.labels, each.labels + 1])[:, np.concatenate(each.batches)]]
               for each in data.evaluation_sets}
    assert results_of(data, columns_of(data, 1, answers))["rte"]["accuracy"] == 1
