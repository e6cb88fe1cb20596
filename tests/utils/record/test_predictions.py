"""predictions.parquet: the rows of the last evaluated round, and of the best one, whatever process wrote them."""

import resource

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from utils.data.evaluation import evaluation_set
from utils.data.partition import Domains
from utils.record.predictions import SCHEMA, Predictions
from utils.record.runlog import PREDICTIONS

LIMIT = resource.RLIMIT_FSIZE
LABELS = np.arange(40) % 2
SETS = [evaluation_set("test", "test", Domains(("b", "ä"), (np.array([1, 4, 8]), np.array([0, 2]))), LABELS,
                       np.arange(40), 1),
        evaluation_set("val", "train", Domains(("all",), (np.arange(30, 34, dtype=np.int32),)), LABELS, np.arange(40),
                       1)]
BEST = [0, 1, 1, 1, 4, 4]  # so far, after each round
EVALUATED = [0, 1, 2, 4, 5]


def columns(number: int) -> dict[str, np.ndarray]:
    """Return what a round's model answers: prediction, summed loss, number of terms."""
    rng = np.random.default_rng(number)
    return {each.name: np.stack([rng.integers(0, 2, len(each.rows)), rng.random(len(each.rows)),
                                 1.0 + rng.integers(0, 3, len(each.rows))]) for each in SETS}


def played(folder, rounds, best=None) -> Predictions:
    """Record some rounds in one process; `best` is that of the processes before."""
    predictions = Predictions(folder, SETS, best)
    for number in rounds:
        if number in EVALUATED:
            record = {"round": number, "seconds": {}}
            predictions.round(record, columns(number), BEST[number])
            assert "checkpoint" in record["seconds"]
    return predictions


def expected(*rounds: int) -> list[tuple]:
    return [(number, each.name, each.rows[k], domain, each.labels[k], answer[k], loss[k] / weight[k])
            for number in rounds for each in SETS for answer, loss, weight in [columns(number)[each.name]]
            for domain, positions in zip(each.domains, each.positions) for k in positions]


def found(folder) -> list[tuple]:
    with pq.ParquetFile(folder / PREDICTIONS) as file:
        assert file.schema_arrow.equals(SCHEMA)
        return [tuple(row.values()) for row in file.read().to_pylist()]


@pytest.mark.parametrize(("last", "rounds"), [(0, [0]), (1, [1]), (2, [1, 2]), (3, [1, 2]), (4, [4]), (5, [4, 5])])
def test_the_file_has_the_rows_of_the_best_round_and_of_the_last(tmp_path, last, rounds):
    played(tmp_path, range(last + 1))
    assert found(tmp_path) == expected(*rounds)
    assert [path.name for path in tmp_path.iterdir()] == [PREDICTIONS]


@pytest.mark.parametrize("last", range(6))
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_run_that_goes_on_ends_with_the_same_bytes(tmp_path, last, lost):
    """The process before may have come further than its last checkpoint says."""
    (tmp_path / "whole").mkdir()
    played(tmp_path / "whole", range(6))
    played(tmp_path, range(last + 1))
    (tmp_path / f"{PREDICTIONS}.tmp").write_bytes(b"half")  # of a process that was killed while it wrote
    known = max(0, last - lost)
    played(tmp_path, range(known + 1, 6), BEST[known])
    assert (tmp_path / PREDICTIONS).read_bytes() == (tmp_path / "whole" / PREDICTIONS).read_bytes()


def test_without_held_out_rows_the_last_round_is_all(tmp_path):
    predictions = Predictions(tmp_path, SETS, None)
    for number in (0, 2):
        predictions.round({"round": number, "seconds": {}}, columns(number), None)
    assert found(tmp_path) == expected(2)


def test_a_file_that_pandas_has_written_again_is_gone_on_with(tmp_path):
    played(tmp_path, [0, 1])
    large = pa.schema([field.with_type(pa.large_string()) if pa.types.is_string(field.type) else field
                       for field in SCHEMA])
    pq.write_table(pq.read_table(tmp_path / PREDICTIONS).cast(large), tmp_path / PREDICTIONS)
    played(tmp_path, [2], best=1)
    assert found(tmp_path) == expected(1, 2)


def with_a_bit_flipped(data: bytes) -> bytes:
    """Return a file with one bit flipped in the column of losses."""
    column = pq.read_metadata(pa.BufferReader(data)).row_group(0).column(SCHEMA.names.index("loss"))
    place = (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size - 1
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1:]


def without_a_column(data: bytes) -> bytes:
    """Return a file that another program has written again, without its losses."""
    pq.write_table(pq.read_table(pa.BufferReader(data)).drop_columns("loss"), out := pa.BufferOutputStream())
    return out.getvalue().to_pybytes()


@pytest.mark.parametrize("spoil", [lambda data: data[:len(data) // 2], lambda data: b"", None, with_a_bit_flipped,
                                   without_a_column])
def test_where_the_best_rounds_rows_are_lost_the_run_goes_on_without(tmp_path, spoil, caplog, monkeypatch):
    monkeypatch.setattr("utils.console.NOTES.propagate", True)
    played(tmp_path, [0, 1])
    path = tmp_path / PREDICTIONS
    if spoil:
        path.write_bytes(spoil(path.read_bytes()))
    else:
        path.unlink()  # by a run from before there was the file
    played(tmp_path, [2], best=1)
    assert found(tmp_path) == expected(2)
    why = "lacks the column 'loss'" if spoil is without_a_column else "cannot be read as a Parquet file"
    assert (why in caplog.text and "the best round, 1, are left out" in caplog.text) is bool(spoil)


def test_a_disk_that_takes_no_more_is_an_error_and_leaves_the_file_as_it_was(tmp_path):
    """The kernel's limit of a file's size stands for the disk's."""
    predictions, (soft, hard) = played(tmp_path, [0, 1]), resource.getrlimit(LIMIT)
    resource.setrlimit(LIMIT, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            predictions.round({"round": 2, "seconds": {}}, columns(2), 1)
    finally:
        resource.setrlimit(LIMIT, (soft, hard))
    assert found(tmp_path) == expected(1) and [path.name for path in tmp_path.iterdir()] == [PREDICTIONS]
