"""The test rows of a domain that is left out of training."""

import preprocess.common as preprocess
from tests.toy import toy_rows
from utils.config import RunConfig
from utils.data.evaluation_sets.held_out_domain import rows
from utils.data.partition import make_plan
from utils.data.table import write_table


def test_they_are_all_test_rows_of_the_domains_that_are_named(tmp_path):
    spec = preprocess.load("sentiment").SPEC
    made = {split: [{"sentence": row["sentence1"], "label": row["label"], "domain": "abc"[k % 3]}
                    for k, row in enumerate(toy_rows(12, 1))] for split in ("train", "test")}
    table = write_table(tmp_path / "sentiment", spec, made, "toy")
    for names, expected in (("", None), ("b", ["b"]), ("c,a", ["a", "c"])):
        config = RunConfig(data="sentiment", hold_out_domain=names)
        found = rows(config, table, make_plan(config, spec, table.split("train"), table.split("test")))
        assert (found and [*found[1].names]) == expected
        for name, each in zip(found[1].names, found[1].rows) if found else ():
            assert found[0] == "test" and each.tolist() == [*range("abc".index(name), 12, 3)]
