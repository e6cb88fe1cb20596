"""Answers, read from predictions.parquet: which rows they are, and what is wrong with a file."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reports.answers import read_answers
from utils.errors import UserError

TABLE = pa.table({
    "round": pa.array([1, 1, 3, 3, 3, 3], pa.int32()), "set": ["test", "test", "test", "test", "test", "val"],
    "row": [0, 2, 0, 2, 5, 0], "domain": ["b", "a", "b", "a", "b", "a"],
    "label": [1.0, 0.0, 1.0, 0.0, 1.0, 1.0], "prediction": [0.0, 0.0, 1.0, 0.0, 0.0, 1.0], "loss": [0.5] * 6})


def written(folder, table=TABLE):
    pq.write_table(table, folder / "predictions.parquet", write_page_checksum=True)
    return folder


def with_column(name, values):
    return TABLE.set_column(TABLE.column_names.index(name), name, pa.array(values))


def test_answers_of_a_set_after_a_round(tmp_path):
    last = read_answers(written(tmp_path), "test")
    assert last.rows.tolist() == [0, 2, 5] and last.rows.dtype == last.domain.dtype == np.int64
    assert last.domains == ("b", "a") and last.domain.tolist() == [0, 1, 0]
    assert last.labels.tolist() == [1, 0, 1] and last.predictions.tolist() == [1, 0, 0]
    assert last.loss.tolist() == [0.5] * 3
    first = read_answers(tmp_path, "test", 1)
    assert first.predictions.tolist() == [0, 0]
    assert read_answers(tmp_path, "val").domains == ("a",)
    assert last.always(1).predictions.tolist() == [1, 1, 1]


def test_a_file_that_pandas_has_written_again_is_the_same(tmp_path):
    large = pa.schema([field.with_type(pa.large_string()) if pa.types.is_string(field.type) else field
                       for field in TABLE.schema])
    found, again = (read_answers(written(tmp_path, table), "test") for table in (TABLE, TABLE.cast(large)))
    assert found.domains == again.domains and (found.domain == again.domain).all() and (found.rows == again.rows).all()


def test_an_older_run_has_none(tmp_path):
    assert read_answers(tmp_path, "test") is None


@pytest.mark.parametrize("table, words", [
    (TABLE.drop_columns("loss"), "lacks the column 'loss'"),
    (with_column("row", list("abcdef")), "column 'row' is string, must be integer"),
    (with_column("label", [1.0, None, 1, 1, 1, 1]), "column 'label' is double with gaps, must be floating"),
    (with_column("prediction", [1.0, 1, 1, np.nan, 1, 1]), "column 'prediction' holds what is no finite number"),
    (with_column("row", [0, 2, 0, 2, 2, 0]), "column 'row' has a row of 'test' twice"),
    (with_column("set", ["val"] * 6), "holds no answers on 'test'")])
def test_what_is_wrong_is_said_in_a_line_that_names_the_file(tmp_path, table, words):
    with pytest.raises(UserError) as error:
        read_answers(written(tmp_path, table), "test")
    assert str(error.value) == f"{tmp_path / 'predictions.parquet'}: {words}"


def test_a_round_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="holds no answers on 'test' after round 2$"):
        read_answers(written(tmp_path), "test", 2)


def test_a_file_that_is_broken_off_or_damaged(tmp_path):
    path = written(tmp_path) / "predictions.parquet"
    whole = path.read_bytes()
    place = whole.index(np.float64(0.5).tobytes())  # a loss
    for spoilt in (whole[:-9], whole[:place] + b"?" + whole[place + 1:], b""):
        path.write_bytes(spoilt)
        with pytest.raises(UserError, match="predictions.parquet: cannot be read as a Parquet file: [^\n]*$"):
            read_answers(tmp_path, "test")
