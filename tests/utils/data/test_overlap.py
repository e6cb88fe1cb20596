"""What counts as the same text, and which rows are among others: by definitions of one line."""

import json
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.common import load
from tests.toy import toy_rows
from utils.config import RunConfig
from utils.data import overlap
from utils.data.dataset import TaskData
from utils.data.overlap import in_chunks, keys, seen_in, texts_of
from utils.data.table import write_table
from utils.errors import UserError

RTE, MNLI = (load(name).SPEC for name in ("rte", "mnli"))


@pytest.mark.parametrize(("text", "key"), [
    ("It 's  a `` JOY '' .", "itsajoy"), ("do n't", "dont"), ("a_b-c", "abc"), ("Straße", "strasse"),
    ("\u2028x\xa0y\t", "xy"), ("ﬁne № ½", "fineno12"), ("कि", "कि"), ("का!", "का"), ("Ｆｕｌｌ", "full"), ("?!", "?!"),
    ("", ""), ("“”", "“”")])
def test_a_key_is_letters_marks_and_digits(text, key):
    assert keys([text]) == [key]


@given(st.lists(st.text(max_size=20)))
def test_keys_are_those_of_the_definition(texts):
    def key(text: str) -> str:
        folded = unicodedata.normalize("NFKC", text).casefold()
        return "".join(c for c in folded if unicodedata.category(c)[0] in "LMN") or text

    assert keys(texts) == [key(text) for text in texts]


WORDS = st.sampled_from(["a", "A.", "b", "a b", "c"])
PAIRS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=8)


def columns(rows):
    return [list(column) for column in zip(*rows)]


@given(PAIRS, st.lists(PAIRS, max_size=3))
def test_rows_and_fields_that_are_seen(training, tested):
    first, second = (set(keys(column)) for column in columns(training))
    whole = {tuple(keys(row)) for row in training}
    found = seen_in([columns(training)], [columns(rows) for rows in tested])
    assert len(found) == len(tested)
    for rows, seen in zip(tested, found):
        expected = [[tuple(keys(row)) in whole, keys(row)[0] in first, keys(row)[1] in second] for row in rows]
        assert seen.dtype == bool and seen.T.tolist() == expected


def test_fields_go_together_only_in_their_order():
    assert seen_in([[["ab", "x"], ["c", "y"]]], [[["a", "x", "c"], ["bc", "c", "ab"]]])[0].tolist() == [
        [False, False, False], [False, True, False], [False, True, False]]


def test_texts_may_change_places_where_the_task_says_so(tmp_path):
    assert seen_in([[["a"], ["b"]]], [[["B", "a", "a"], ["A", "b", "a"]]], symmetric=True)[0].tolist() == [
        [True, True, False], [False, True, True], [False, True, False]]
    rows = [{**row, "label": k % 2} for k, row in enumerate(toy_rows(9, 1))]
    swapped = [{**row, "sentence1": row["sentence2"], "sentence2": row["sentence1"]} for row in rows]
    for task, found in (("mrpc", 9), ("rte", 0)):
        spec = load(task).SPEC
        write_table(tmp_path / task, spec, {"train": rows, spec.test_split: swapped}, "toy")
        data = TaskData(RunConfig(data=task, data_dir=str(tmp_path)), spec)
        assert data.overlap()["test"]["training_rows"] == found


def test_training_rows_come_in_chunks(monkeypatch):
    monkeypatch.setattr(overlap, "CHUNK", 2)
    split = pa.table({"question": ["p", "q", "r", "s"], "choices": [["1", "2"], ["3", "4"], ["5", "6"], ["7", "8"]]})
    chunks = list(in_chunks(split, ("question",), np.array([0, 1, 3])))
    assert chunks == [[["p", "q"], ["1 2", "3 4"]], [["s"], ["7 8"]]]
    tested = texts_of(split, ("question",))
    assert seen_in(chunks, [tested])[0].tolist() == [[True, True, False, True]] * 3


def shouted(row):
    """Return the row in other letters, with punctuation."""
    return {**row, "sentence1": f"{row['sentence1'].upper()} !", "sentence2": row["sentence2"].replace(" ", "  ,")}


@pytest.fixture
def data_of(tmp_path):
    """Tables of RTE, two of whose 24 dev rows are training rows, and of MNLI, of which 6 of 12 are; and `TaskData`."""
    train, dev, other = toy_rows(40, 1), toy_rows(24, 2), toy_rows(12, 3)
    dev[3], dev[20] = shouted(train[7]), shouted(train[30])
    dev[5] = {**dev[5], "sentence1": train[0]["sentence1"]}
    write_table(tmp_path / "rte", RTE, {"train": train, "dev": dev}, "toy")
    rows = [shouted(train[k]) if k % 2 else row for k, row in enumerate(other)]
    write_table(tmp_path / "mnli", MNLI, dict.fromkeys(("train", "dev_matched"), [
        {"premise": row["sentence1"], "hypothesis": row["sentence2"], "label": row["label"],
         "domain": ("slate", "travel")[k > 5]} for k, row in enumerate(rows)]), "toy")

    def made(dropped=None, from_=(), **flags):
        config = RunConfig(data="rte", data_dir=str(tmp_path), ood_data="mnli", **flags)
        return TaskData(config, RTE, (MNLI,), dropped, from_)

    return made


@pytest.mark.parametrize(("flags", "rows", "dropped"), [
    ({}, {"test": 24, "mnli": 6}, {"test": 0, "mnli": 6}), ({"overlap": "keep"}, {"test": 24, "mnli": 12}, {}),
    ({"overlap": "drop"}, {"test": 22, "mnli": 6}, {"test": 2, "mnli": 6})])
def test_what_is_left_out_by_overlap(data_of, flags, rows, dropped):
    data = data_of(**flags)
    assert {each.name: sum(map(len, each.domains.rows)) for each in data.chosen} == rows
    found = data.overlap()
    assert {name: each["dropped"] for name, each in found.items()} == {"test": 0, "mnli": 0, **dropped}
    left = [row for each in data.chosen[1].domains.rows for row in each.tolist()]
    assert flags.get("overlap") == "keep" or left == [0, 2, 4, 6, 8, 10]  # the rows keep their numbers
    fields = found["test"].pop("fields")
    assert found["test"] == {"rows": 24, "training_rows": 2, "dropped": dropped.get("test", 0)}
    assert fields["sentence1"] >= 3 and fields["sentence2"] >= 2 and found["mnli"]["training_rows"] == 6


@pytest.mark.parametrize("flags", [{}, {"overlap": "keep"}, {"overlap": "drop", "test": 3}])
def test_workers_have_the_drivers_rows_without_looking_for_them(data_of, flags, monkeypatch):
    driver = data_of(**flags)
    monkeypatch.setattr(overlap, "keys", None)
    worker = data_of(json.loads(json.dumps(driver.dropped)), **flags)
    assert [each.fingerprint for each in worker.chosen] == [each.fingerprint for each in driver.chosen]


def test_without_rounds_nothing_is_trained_on(data_of):
    assert [each["training_rows"] for each in data_of(n_iterations=0).overlap().values()] == [0, 0]


def test_rows_that_a_seed_holds_out_count_but_not_those_that_test_n_leaves_out(data_of):
    runs = [data_of(val_ratio=0.5, seed=seed) for seed in (0, 1)]
    shards = [np.concatenate(data.plan.shards).tolist() for data in runs]
    assert shards[0] != shards[1]
    for data in runs:
        assert data.overlap()["mnli"]["training_rows"] == 6 and data.overlap()["test"]["training_rows"] == 2
        assert data.overlap()["val"]["training_rows"] == 0  # they are none of themselves
    few = data_of(test=2, overlap="keep")
    trained = {*np.concatenate(few.plan.shards).tolist()}
    assert few.overlap()["mnli"]["training_rows"] == sum(
        k in trained for k in np.concatenate(few.chosen[1].domains.rows).tolist() if k % 2)


def test_it_is_said_where_there_is_some(data_of, caplog):
    caplog.set_level("INFO", logger="lm")
    data_of().overlap()
    said = [line for line in caplog.messages if line.startswith("overlap: ")]
    among = "rows are training rows but for case, spaces and punctuation; they are"
    assert said[0].startswith(f"overlap: test: 2 of 24 {among} kept (--overlap drop leaves them out); ")
    assert said[1].startswith(f"overlap: mnli: 6 of 12 {among} left out (--overlap keep keeps them)") and len(said) == 2


def test_rows_go_before_test_n_cuts_a_set(tmp_path):
    train, flags = toy_rows(3, 1), {"data_dir": str(tmp_path), "n_clients": 1, "test": 3, "ood_data": "wnli"}
    write_table(tmp_path / "rte", RTE, {"train": train, "dev": toy_rows(12, 2)}, "toy")
    write_table(tmp_path / "wnli", load("wnli").SPEC, {"train": train, "dev": [*train, *toy_rows(3, 9)]}, "toy")
    data = TaskData(RunConfig(data="rte", **flags), RTE, (load("wnli").SPEC,))
    assert data.chosen[1].domains.rows[0].tolist() == [3, 4, 5]
    assert data.overlap()["wnli"] == {"rows": 6, "training_rows": 3, "dropped": 3,
                                      "fields": {"sentence1": 3, "sentence2": 3}}


def test_a_set_without_other_rows_is_left_out_and_the_test_rows_must_not_be(tmp_path, caplog):
    caplog.set_level("INFO", logger="lm")
    rows = toy_rows(12, 1)
    write_table(tmp_path / "rte", RTE, {"train": rows, "dev": toy_rows(12, 2)}, "toy")
    write_table(tmp_path / "wnli", load("wnli").SPEC, {"train": rows, "dev": rows[:4]}, "toy")
    data = TaskData(RunConfig(data="rte", data_dir=str(tmp_path), ood_data="wnli"), RTE, (load("wnli").SPEC,))
    assert data.set_names == ["test"] and data.overlap()["wnli"]["dropped"] == 4
    assert "evaluation set wnli: without rows, so left out: all" in caplog.text
    write_table(tmp_path / "rte", RTE, {"train": rows, "dev": rows}, "toy")
    with pytest.raises(UserError, match="--overlap drop: all test rows are training rows; give --overlap keep"):
        TaskData(RunConfig(data="rte", data_dir=str(tmp_path), overlap="drop"), RTE)
