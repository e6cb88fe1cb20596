"""Another task's rows as those of the task that is trained on: texts, labels, domains, and the rows' own numbers."""

from dataclasses import replace

import numpy as np
import pytest

from preprocess.common import load
from tests.toy import toy_rows, toy_table
from utils.config import RunConfig
from utils.data.dataset import TaskData
from utils.data.foreign import ForeignTable
from utils.data.inputs import Inputs
from utils.data.table import open_table, write_table
from utils.errors import UserError

MNLI, RTE, WNLI, STSB = (load(name).SPEC for name in ("mnli", "rte", "wnli", "stsb"))
GENRES = ("travel", "slate", "fiction")


def mnli_rows(n: int, seed: int) -> list[dict]:
    return [{"premise": row["sentence1"], "hypothesis": row["sentence2"], "label": k % 3, "domain": GENRES[k // 2 % 3]}
            for k, row in enumerate(toy_rows(n, seed))]


@pytest.fixture
def mnli(tmp_path):
    """A table of 21 mismatched rows, beside one of RTE in tmp_path."""
    toy_table(tmp_path)
    return write_table(tmp_path / "mnli", MNLI, {"train": mnli_rows(6, 1), "dev_matched": mnli_rows(9, 2),
                                                 "dev_mismatched": mnli_rows(21, 3)}, "toy")


def data_of(tmp_path, ood_data, **flags):
    return TaskData(RunConfig(data="rte", data_dir=str(tmp_path), ood_data=ood_data, **flags), RTE, (MNLI,))


def test_a_row_is_one_of_the_other_task_but_for_names_and_labels(mnli):
    found = ForeignTable(mnli, RTE)
    split, own = found.split("dev_mismatched"), mnli.split("dev_mismatched")
    assert split.column_names == ["row", "domain", "label", "sentence1", "sentence2"]
    assert split.schema == open_table(mnli.folder.parent / "rte", RTE).split("dev").schema
    assert split["label"].to_pylist() == [min(label, 1) for label in own["label"].to_pylist()]
    for mine, theirs in (("row", "row"), ("domain", "domain"), ("sentence1", "premise"), ("sentence2", "hypothesis")):
        assert split[mine].to_pylist() == own[theirs].to_pylist()
    assert len({found.fingerprint, mnli.fingerprint, ForeignTable(mnli, WNLI).fingerprint}) == 3
    assert found.own is mnli and found.rows("dev_mismatched") == 21 and found.alike == ()
    assert ForeignTable(open_table(mnli.folder.parent / "rte", RTE), MNLI).alike == (0, 1, 1)
    first = own.to_pylist()[0]
    assert Inputs(split, RTE, text_to_text=True).columns[0][0] == (
        f"rte sentence1: {first['premise']} sentence2: {first['hypothesis']}")
    with pytest.raises(UserError, match="--ood_data mnli: its labels say nothing of those of stsb"):
        ForeignTable(mnli, STSB)


def test_sets_follow_the_run_s_own_in_the_order_given_by_natural_domains(mnli, tmp_path):
    data = data_of(tmp_path, "mnli:dev_mismatched@slate,mnli", val_ratio=0.1)
    assert data.set_names == ["test", "val", "mnli-dev_mismatched-slate", "mnli"]
    slate, matched = data.chosen[2:]
    assert slate.domains.names == ("slate",) and slate.split == "dev_mismatched"
    assert slate.domains.rows[0].tolist() == [2, 3, 8, 9, 14, 15, 20]
    assert matched.split == "dev_matched" and matched.domains.names == ("fiction", "slate", "travel")
    assert [*data.splits] == ["train", "test", "mnli:dev_mismatched", "mnli:dev_matched"]
    assert data.labels["mnli:dev_mismatched"].tolist() == [min(k % 3, 1) for k in range(21)]
    assert data.fingerprints == {"rte": data.table.fingerprint, "mnli": mnli.fingerprint}


def test_test_n_cuts_them_as_all_others(mnli, tmp_path):
    some, all_rows = (data_of(tmp_path, "mnli:dev_mismatched", test=n).chosen[-1].domains for n in (2, 0))
    assert [len(rows) for rows in some.rows] == [2, 2, 2] and sum(map(len, all_rows.rows)) == 21
    assert all(np.isin(few, rows).all() for few, rows in zip(some.rows, all_rows.rows))


@pytest.mark.parametrize("ood_data, message", [
    ("mnli:moon", "--ood_data mnli:moon: no split 'moon'; mnli has train, dev_matched, dev_mismatched"),
    ("mnli@moon", "--ood_data mnli@moon: no domain 'moon'; dev_matched has fiction, slate, travel"),
    ("rte", "--ood_data rte: dev is tested on anyway"), ("rte:train", "--ood_data rte:train: train is trained on"),
    ("rte@moon", "--ood_data rte@moon: no domain 'moon'; dev has all"),
    ("mnli,mnli:dev_matched", "--ood_data mnli:dev_matched: its rows are those of mnli; give one of them"),])
def test_rows_that_are_not_there_or_used_otherwise_are_one_line(mnli, tmp_path, ood_data, message):
    with pytest.raises(UserError) as raised:
        data_of(tmp_path, ood_data)
    assert str(raised.value).startswith(message)


def test_a_split_of_one_domain_is_that_domain(tmp_path):
    toy_table(tmp_path)
    write_table(tmp_path / "wnli", WNLI, {"train": toy_rows(6, 3), "dev": toy_rows(6, 4)}, "toy")

    def named(ood_data):
        return TaskData(RunConfig(data="rte", data_dir=str(tmp_path), ood_data=ood_data), RTE, (WNLI,)).set_names

    with pytest.raises(UserError, match="--ood_data wnli@all: its rows are those of wnli; give one of them"):
        named("wnli:train,wnli,wnli@all")
    assert named("wnli:train,wnli@all") == ["test", "wnli-train", "wnli-all"]


def test_a_task_s_name_may_be_taken_in_records(mnli, tmp_path):
    spec = replace(MNLI, name="best")
    write_table(tmp_path / "best", spec, {"train": mnli_rows(6, 1), "dev_matched": mnli_rows(9, 2)}, "toy")
    with pytest.raises(UserError, match="--ood_data best: another set of a record is called best; name the split"):
        TaskData(RunConfig(data="rte", data_dir=str(tmp_path), ood_data="best"), RTE, (spec,))
    named = TaskData(RunConfig(data="rte", data_dir=str(tmp_path), ood_data="best:dev_matched"), RTE, (spec,))
    assert named.set_names == ["test", "best-dev_matched"]


def test_a_split_of_the_task_s_own_keeps_its_tokens_key(mnli, tmp_path):
    data = TaskData(RunConfig(data="mnli", data_dir=str(tmp_path), ood_data="mnli:dev_mismatched"), MNLI)
    assert data.set_names == ["test", "mnli-dev_mismatched"] and data.chosen[1].table is data.table
    assert [*data.splits] == ["train", "test", "dev_mismatched"]


def test_sets_of_genres_that_are_trained_on_are_in_domain_and_all_others_out(tmp_path):
    rows = mnli_rows(18, 1)
    write_table(tmp_path / "mnli", MNLI, {
        "train": rows, "dev_matched": mnli_rows(9, 2),
        "dev_mismatched": [{**row, "domain": f"mm-{row['domain']}"} for row in mnli_rows(21, 3)]}, "toy")
    write_table(tmp_path / "rte", RTE, {split: toy_rows(9, 4) for split in ("train", "dev")}, "toy")

    def found(**flags):
        data = TaskData(RunConfig(data="mnli", data_dir=str(tmp_path), overlap="keep", **flags), MNLI, (RTE,))
        return data.out_of_domain

    assert found(test_split="dev_mismatched", ood_data="mnli,rte", val_ratio=0.2) == ["test", "rte"]
    assert found(ood_data="mnli:dev_mismatched", domain_by="slices") == ["mnli-dev_mismatched"]
    assert found(ood_data="mnli:dev_mismatched,rte", hold_out_domain="slate") == [
        "held_out_domain", "mnli-dev_mismatched", "rte"]
