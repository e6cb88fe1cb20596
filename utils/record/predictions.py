"""The answer to each row of each evaluation set, after the last round that was evaluated and after the best one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from utils.clock import timed
from utils.console import NOTES
from utils.data.evaluation import EvaluationSet
from utils.errors import UserError, in_short
from utils.machine.durable import whole_file
from utils.record.predictions_file import read_table
from utils.record.runlog import PREDICTIONS

SCHEMA = pa.schema({"round": pa.int32(), "set": pa.string(), "row": pa.int64(), "domain": pa.string(),
                    "label": pa.float64(), "prediction": pa.float64(), "loss": pa.float64()})


class Predictions:
    """Writes predictions.parquet in `folder`, by SCHEMA: sorted by round, then `sets` in order, then their rows.

    `best`: the number of the best round so far, by an earlier process that has left its rows in the file; or None.
    """

    def __init__(self, folder: Path, sets: Sequence[EvaluationSet], best: int | None) -> None:
        self.path, self.sets = folder / PREDICTIONS, sets
        self.best = None if best is None else rows_of_round(self.path, best)

    def round(self, record: dict, columns: Mapping[str, np.ndarray], best: int | None) -> None:
        """Write the rows of a round, of each set by name as `assemble` gives them, and of the round that is `best`.

        Raises OSError when the disk refuses; the file is as it was then.
        """
        with timed(record["seconds"], "checkpoint"):
            rows = [rows_of(record["round"], each, columns[each.name]) for each in self.sets]
            if record["round"] == best:
                self.best = pa.concat_tables(rows)
            elif self.best is not None:
                rows = [self.best, *rows]
            with whole_file(self.path) as temporary:
                pq.write_table(pa.concat_tables(rows), temporary, write_page_checksum=True)


def rows_of(server_round: int, of: EvaluationSet, columns: np.ndarray) -> pa.Table:
    """Return a set's rows by SCHEMA; `columns`: float64 [3, rows], prediction, loss and weight (terms of the loss)."""
    prediction, loss, weight = columns
    zeros = np.zeros(len(of.rows), np.int32)
    domains = zeros.copy()
    for number, positions in enumerate(of.positions):
        domains[positions] = number
    numbers = server_round + zeros, of.rows.astype(np.int64), of.labels, prediction, loss / weight
    rounds, rows, labels, predictions, losses = map(arrow, numbers)
    return pa.Table.from_arrays([rounds, texts([of.name]).take(arrow(zeros)), rows,
                                 texts(of.domains).take(arrow(domains)), labels, predictions, losses], schema=SCHEMA)


def arrow(values: np.ndarray) -> pa.Array:
    """Return numbers as Arrow's; `pa.array` would import pandas, half a second of a start."""
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values),
                                 [None, pa.py_buffer(np.ascontiguousarray(values))])


def texts(values: Sequence[str]) -> pa.Array:
    """Return texts as Arrow's, without pandas likewise."""
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def rows_of_round(path: Path, server_round: int) -> pa.Table | None:
    """Return the rows of a round in a run's file; None where it has none, as in older runs, or is damaged."""
    if not path.exists():
        return None
    try:
        table = read_table(path).select(SCHEMA.names).cast(SCHEMA)
    except (UserError, pa.ArrowException) as error:
        NOTES.warning("%s; the rows of the best round, %d, are left out of it", in_short(error, 300), server_round)
        return None
    rows = table.filter(np.from_dlpack(table["round"].combine_chunks()) == server_round)
    return rows if len(rows) else None
