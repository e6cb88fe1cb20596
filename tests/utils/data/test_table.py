"""Tables on disk: what is written is what is read, and damage is named."""

import json
import multiprocessing
import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.data.readers import NO_LABEL
from utils.data.table import StaleTable, open_table, write_table
from utils.data.task import Origin, TaskSpec
from utils.errors import UserError

PAIRS = TaskSpec(name="pairs", kind="classification", text=("left", "right"), labels=("no", "yes"),
                 metrics=("accuracy",), prompt="{left} {right}", label_words=("no", "yes"))
SCORES = replace(PAIRS, name="scores", kind="regression", labels=(), label_words=())
CHOICES = replace(PAIRS, name="choices", kind="multiple_choice", text=("left",))
ROWS = [{"left": "a", "right": "b", "label": 1, "domain": "x"}, {"left": "c", "right": "d", "label": 0, "domain": "y"},
        {"left": "e", "right": "f", "label": 1, "domain": "x"}]

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
DOMAIN = st.sampled_from(["all", "main-news", "c_13", "x.y"])


def rows_of(spec: TaskSpec) -> st.SearchStrategy:
    label = st.integers(0, 1) if spec.labels else st.floats(0, 5)
    columns = {**dict.fromkeys(spec.text, TEXT), "label": label, "domain": DOMAIN}
    if spec.kind == "multiple_choice":
        columns["choices"] = st.lists(TEXT, min_size=2, max_size=2)
    return st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None)
@given(st.data(), st.sampled_from([PAIRS, SCORES, CHOICES]))
def test_every_value_comes_back_in_row_order(data, spec):
    splits = {"train": data.draw(rows_of(spec)), "dev": data.draw(rows_of(spec))}
    with tempfile.TemporaryDirectory() as folder:
        made = write_table(Path(folder) / "t", spec, splits, "here")
        for name, rows in splits.items():
            assert made.split(name).to_pylist() == [{"row": i, **row} for i, row in enumerate(rows)]
            assert made.card["splits"][name]["rows"] == len(rows)
        # the fingerprint is of the content alone, and of all of it
        again = write_table(Path(folder) / "u", replace(spec, origin=Origin("me/rows")), splits, "elsewhere")
        assert again.fingerprint == made.fingerprint
        *others, last = splits["dev"]
        changed = {**splits, "dev": [*others, {**last, "left": last["left"] + "!"}]}
        assert write_table(Path(folder) / "v", spec, changed, "here").fingerprint != made.fingerprint


def test_the_card_counts_rows_domains_and_labels(tmp_path):
    table = write_table(tmp_path / "t", PAIRS, {"train": [NO_LABEL, *ROWS[:2], NO_LABEL, ROWS[2]]}, "by hand")
    assert table.card["splits"]["train"] == {
        "rows": 3, "unlabelled": 2, "domains": {"x": 2, "y": 1}, "labels": {"no": 1, "yes": 2},
        "files": {"x": "train-x.parquet", "y": "train-y.parquet"}}
    assert table.card["source"] == "by hand"
    assert table.split("train").to_pylist() == [{"row": i, **row} for i, row in enumerate(ROWS)]
    assert table.fingerprint == write_table(tmp_path / "u", PAIRS, {"train": ROWS}, "by hand").fingerprint
    assert sorted(path.name for path in table.folder.iterdir()) == ["card.json", "train-x.parquet", "train-y.parquet"]
    assert table.split("train").schema == pa.schema({
        "row": pa.int64(), "domain": pa.string(), "label": pa.int64(), "left": pa.string(), "right": pa.string()})
    rows = [{**row, "label": float(i)} for i, row in enumerate(ROWS)]
    scored = write_table(tmp_path / "s", SCORES, {"train": rows}, "")
    assert scored.card["splits"]["train"]["scores"] == {"min": 0, "mean": 1, "max": 2}


def test_rows_may_be_a_generator_longer_than_a_chunk(tmp_path):
    rows = ({**ROWS[0], "left": str(i), "domain": "xy"[i % 2]} for i in range(45_000))
    table = write_table(tmp_path / "t", PAIRS, {"train": rows}, "").split("train")
    assert table["left"].to_pylist() == [str(i) for i in range(45_000)]


def test_the_train_split_is_the_first_there_is(tmp_path):
    spec = replace(PAIRS, train_splits=("train", "dev"))
    assert write_table(tmp_path / "t", spec, {"dev": ROWS, "train": ROWS}, "").train_split == "train"
    assert write_table(tmp_path / "t", spec, {"dev": ROWS}, "").train_split == "dev"
    with pytest.raises(UserError, match="no split to train on; expected train or dev, found test"):
        _ = write_table(tmp_path / "t", spec, {"test": ROWS}, "").train_split


@pytest.mark.parametrize(("spec", "change", "message"), [
    (PAIRS, {"domain": "../x"}, "domain '../x' cannot be part of a file name"),
    (PAIRS, {"domain": ""}, "domain '' cannot be part of a file name"),
    (PAIRS, {"label": 2}, "label 2 is no index into no, yes"),
    (PAIRS, {"label": True}, "label True is no index"),
    (SCORES, {"label": float("nan")}, "label nan is no finite float"),
    (PAIRS, {"left": None}, "None is no text"),
    (CHOICES, {"choices": ["one"]}, "1 choices; expected 2"),
])
def test_a_row_that_does_not_fit_leaves_the_old_table(tmp_path, spec, change, message):
    good = {**ROWS[0], "label": 1 if spec.labels else 1.0, "choices": ["one", "two"]}
    old = write_table(tmp_path / "t", spec, {"train": [good]}, "")
    with pytest.raises(UserError) as raised:
        write_table(tmp_path / "t", spec, {"train": [good, {**good, **change}]}, "")
    assert f"{spec.name}: train row 1: " in str(raised.value) and message in str(raised.value)
    assert open_table(tmp_path / "t", spec).fingerprint == old.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["t"]  # nothing half-written stays


def test_an_empty_split_and_a_foreign_folder_are_refused(tmp_path):
    for rows in ([], [NO_LABEL]):
        with pytest.raises(UserError, match="split dev has no rows with a label"):
            write_table(tmp_path / "t", PAIRS, {"train": ROWS, "dev": rows}, "")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "train.jsonl").write_text("precious")
    with pytest.raises(UserError, match="raw holds something else than a table"):
        write_table(tmp_path / "raw", PAIRS, {"train": ROWS}, "")
    assert (tmp_path / "raw" / "train.jsonl").read_text() == "precious"


def test_an_unwritable_place_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/t: cannot be written"):
        write_table(tmp_path / "file" / "t", PAIRS, {"train": ROWS}, "")


def test_another_spec_or_format_is_stale(tmp_path):
    write_table(tmp_path / "t", PAIRS, {"train": ROWS}, "")
    with pytest.raises(StaleTable, match="another version of pairs"):
        open_table(tmp_path / "t", replace(PAIRS, prompt="new {left}"))
    card = json.loads((tmp_path / "t" / "card.json").read_text())
    (tmp_path / "t" / "card.json").write_text(json.dumps({**card, "format": 0}))
    with pytest.raises(StaleTable):
        open_table(tmp_path / "t", PAIRS)


def _edit(card: dict, *keys, value) -> None:
    """Set a value deep in a card."""
    for key in keys[:-1]:
        card = card[key]
    card[keys[-1]] = value


SPLIT = ("splits", "train")


@pytest.mark.parametrize(("keys", "value", "message"), [
    ((*SPLIT, "files", "x"), "../../outside.parquet", "expected {'x': 'train-x.parquet'"),
    ((*SPLIT, "files", "x"), "/etc/passwd", "expected {'x': 'train-x.parquet'"),
    ((*SPLIT, "files"), {"x": "train-x.parquet"}, "expected {'x': 'train-x.parquet', 'y'"),
    ((*SPLIT, "domains"), {"../x": 2}, "'../x' cannot be part of a file name"),
    (("splits",), {"a/b": {"rows": 1, "domains": {"x": 1}, "files": {}}}, "'a/b' cannot be part of a file name"),
    ((*SPLIT, "rows"), 10**15, "has 1000000000000000 rows"),
    ((*SPLIT, "domains", "x"), -2, "rows, in its domains"),
    ((*SPLIT, "domains", "x"), "2", "rows, in its domains"),
    (("fingerprint",), "0", "fingerprint"), (("source",), None, "source"), (("splits",), {}, "splits"),
    ((*SPLIT, "domains"), 7, "no table's card"),
])
def test_a_card_cannot_lead_out_of_its_folder_nor_lie(tmp_path, keys, value, message):
    path = write_table(tmp_path / "t", PAIRS, {"train": ROWS}, "").folder / "card.json"
    card = json.loads(path.read_text())
    _edit(card, *keys, value=value)
    path.write_text(json.dumps(card))
    with pytest.raises(UserError, match="card.json is no table's card.*python preprocess/pairs.py") as raised:
        open_table(tmp_path / "t", PAIRS)
    assert message in str(raised.value)


@pytest.mark.parametrize("name", ["train-x.parquet", "card.json"])
def test_a_link_in_a_tables_folder_is_refused(tmp_path, name):
    path = write_table(tmp_path / "t", PAIRS, {"train": ROWS}, "").folder / name
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match=f"{name} is a link"):
        open_table(tmp_path / "t", PAIRS)


@pytest.mark.parametrize(("spec", "column", "values", "message"), [
    (PAIRS, "label", [1, 2], "labels from 1 to 2, expected 0 to 1"),
    (PAIRS, "label", [-1, 0], "labels from -1 to 0"),
    (PAIRS, "label", [None, 0], "column 'label' lacks values"),
    (PAIRS, "left", ["a", None], "column 'left' lacks values"),
    (PAIRS, "left", pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"a"]).buffers()), "UTF8"),
    (PAIRS, "domain", ["x", "z"], "rows of other domains than 'x'"),
    (PAIRS, "row", [0, 5], "rows of split train are not 0 to 2"),
    (SCORES, "label", [float("nan"), 0.0], "no finite numbers"),
    (CHOICES, "choices", [["a", "b"], ["a"]], "rows without 2 choices"),
    (CHOICES, "choices", [["a", None], ["a", "b"]], "rows without 2 choices"),
])
def test_values_that_no_reader_would_have_written_are_refused(tmp_path, spec, column, values, message):
    rows = [{**row, "label": row["label"] if spec.labels else 1.0, "choices": ["one", "two"]} for row in ROWS]
    table = write_table(tmp_path / "t", spec, {"train": rows}, "")
    path = tmp_path / "t" / "train-x.parquet"
    whole = pq.ParquetFile(path).read()
    at = whole.column_names.index(column)
    pq.write_table(whole.set_column(at, whole.schema.field(at), pa.array(values, whole.schema.field(at).type)), path)
    with pytest.raises(UserError, match="make the table again with python preprocess") as raised:
        table.split("train")
    assert message in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"card"', b"{}", b'{"format": 1, "spec": {}, "splits": []}',
                                     b"\xff\xfe"])
def test_a_damaged_card_is_named(tmp_path, content):
    write_table(tmp_path / "t", PAIRS, {"train": ROWS}, "")
    (tmp_path / "t" / "card.json").write_bytes(content)
    with pytest.raises(UserError, match="card.json is no table's card") as raised:
        open_table(tmp_path / "t", PAIRS)
    assert not isinstance(raised.value, StaleTable)


def test_missing_parts_are_named(tmp_path):
    with pytest.raises(UserError, match=r"t/card.json is missing: make the table with python preprocess/pairs.py"):
        open_table(tmp_path / "t", PAIRS)
    write_table(tmp_path / "t", PAIRS, {"train": ROWS}, "").folder.joinpath("train-y.parquet").unlink()
    with pytest.raises(UserError, match="train-y.parquet is missing"):
        open_table(tmp_path / "t", PAIRS)


def test_damaged_files_are_named(tmp_path):
    table = write_table(tmp_path / "t", PAIRS, {"train": ROWS}, "")
    path, whole = tmp_path / "t" / "train-x.parquet", (tmp_path / "t" / "train-x.parquet").read_bytes()
    place = whole.index(b"a")  # inside a page of values: only its checksum can show it
    damaged = {"cut": whole[:-20], "empty": b"", "flipped": whole[:place] + b"z" + whole[place + 1:]}
    for content in damaged.values():
        path.write_bytes(content)
        with pytest.raises(UserError, match="train-x.parquet cannot be read") as raised:
            table.split("train")
        assert "\n" not in str(raised.value)
    path.write_bytes((tmp_path / "t" / "train-y.parquet").read_bytes())
    with pytest.raises(UserError, match=r"train-x.parquet is not what card.json says: found 1 rows"):
        table.split("train")
    path.write_bytes(whole)
    pq.write_table(pa.table({"row": [0, 1]}), path)
    with pytest.raises(UserError, match=r"found 2 rows of \(row\), expected 2 of \(row, domain, label"):
        table.split("train")
    with pytest.raises(UserError, match="no split 'dev'; it has train"):
        table.split("dev")


def _write_often(folder: Path, mark: str) -> None:
    for _ in range(15):
        write_table(folder, PAIRS, {"train": [{**row, "left": mark} for row in ROWS]}, mark)


def test_two_processes_writing_at_once_leave_one_whole_table(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_often, args=(tmp_path / "t", mark)) for mark in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    table = open_table(tmp_path / "t", PAIRS)
    assert set(table.split("train")["left"].to_pylist()) == {table.card["source"]}
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
