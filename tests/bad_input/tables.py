"""A task's table, spoilt: its card and its Parquet files."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.bad_input import Case, Place, cut, write
from tests.loading import edit


def table(change: Callable[[Path], None]) -> Callable[[Place], None]:
    return lambda place: place.table(change)


def card(**changes: object) -> Callable[[Path], None]:
    return lambda folder: edit(folder, "card.json", **changes) and None


def files_elsewhere(name: str) -> Callable[[Path], None]:
    """A card whose `files` lead elsewhere, where a whole file is."""
    def change(folder: Path) -> None:
        (folder.parent.parent / "outside.parquet").write_bytes((folder / "train-all.parquet").read_bytes())
        splits = json.loads((folder / "card.json").read_text())["splits"]
        splits["train"]["files"]["all"] = name.format(base=folder.parent.parent)
        card(splits=splits)(folder)
    return change


def link(folder: Path) -> None:
    """A Parquet file that is a link to a whole one outside."""
    (folder / "train-all.parquet").rename(folder.parent.parent / "outside.parquet")
    (folder / "train-all.parquet").symlink_to(folder.parent.parent / "outside.parquet")


def column(name: str, value: object) -> Callable[[Path], None]:
    """A Parquet file with another value in the first row of a column."""
    def change(folder: Path) -> None:
        path = folder / "train-all.parquet"
        rows = pq.ParquetFile(path).read()
        values, at = rows[name].to_pylist(), rows.column_names.index(name)
        made = pa.array([value, *values[1:]], rows.schema.field(at).type)
        pq.write_table(rows.set_column(at, rows.schema.field(at), made), path)
    return change


def columns(**renamed: str) -> Callable[[Path], None]:
    """A Parquet file whose columns have other names."""
    def change(folder: Path) -> None:
        path = folder / "train-all.parquet"
        rows = pq.ParquetFile(path).read()
        pq.write_table(rows.rename_columns([renamed.get(name, name) for name in rows.column_names]), path)
    return change


TABLES = [
    Case(id, table(change), "--data rte", (*said, "python preprocess/rte.py"))
    for id, change, *said in (
        ("Parquet missing", lambda folder: (folder / "train-all.parquet").unlink(),
         "train-all.parquet is missing: make"),
        ("Parquet empty", write("train-all.parquet", b""), "train-all.parquet cannot be read"),
        ("Parquet truncated", cut("train-all.parquet"), "train-all.parquet cannot be read"),
        ("Parquet of something else", write("dev-all.parquet", b"PAR1" * 9), "dev-all.parquet cannot be read"),
        ("Parquet wrong column", columns(label="answer"),
         "train-all.parquet is not what card.json says: found 12 rows of"),
        ("Parquet column twice", columns(sentence2="sentence1"),
         "train-all.parquet is not what card.json says: found 12"),
        ("Parquet wrong label", column("label", 7), "labels from 0 to 7, expected 0 to 1"),
        ("Parquet without a label", column("label", None), "column 'label' lacks values"),
        ("Parquet without a text", column("sentence1", None), "column 'sentence1' lacks values"),
        ("Parquet of another domain", column("domain", "x"), "rows of other domains than 'all'"),
        ("Parquet rows out of order", column("row", 3), "the rows of split train are not 0 to 11"),
        ("Parquet a link", link, "train-all.parquet is a link: put the file itself there, or make"),
        ("card empty", write("card.json", b""), "card.json is no table's card"),
        ("card of another kind", write("card.json", b"[1]"), "card.json is no table's card"),
        ("card not UTF-8", write("card.json", b"\xff\xff\xff"), "card.json is no table's card"),
        ("card too deep", write("card.json", b"[" * 10**5), "card.json is no table's card"),
        ("card without splits", card(splits={}), "card.json is no table's card"),
        ("card that leads up", files_elsewhere("../../outside.parquet"), "card.json is no table's card",
         "../../outside"),
        ("card that leads to the root", files_elsewhere("{base}/outside.parquet"), "card.json is no table's card"),
    )
]
