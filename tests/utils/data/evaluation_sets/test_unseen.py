"""The test rows of domains that no training row is from."""

import pytest

import preprocess.common as preprocess
from tests.toy import toy_rows
from utils.config import RunConfig
from utils.data.evaluation_sets.unseen import rows
from utils.data.partition import make_plan
from utils.data.table import write_table


@pytest.mark.parametrize("domain_by, expected", [("natural", ("dev", (("new", [2, 5, 8]),))), ("slices", None)])
def test_they_are_those_of_the_other_natural_domains(tmp_path, domain_by, expected):
    spec = preprocess.load("cola").SPEC
    made = {split: [{"sentence": row["sentence1"], "label": row["label"], "domain": ("a", "b", last)[k % 3]}
                    for k, row in enumerate(toy_rows(9, 1))] for split, last in (("train", "b"), ("dev", "new"))}
    table, config = write_table(tmp_path / "cola", spec, made, "toy"), RunConfig(data="cola", domain_by=domain_by)
    plan = make_plan(config, spec, table.split("train"), table.split("dev"))
    found = rows(config, table, plan)
    assert expected == (found and (found[0], tuple(zip(found[1].names, (each.tolist() for each in found[1].rows)))))
    assert plan.test.names == (("a", "b") if expected else ("slice1", "slice2", "slice3"))
