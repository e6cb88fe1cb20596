"""The columns of a table's files, and what the values in them must be."""

import math

import numpy as np
import pyarrow as pa

from utils.data.readers import file_name_part
from utils.data.task import TaskSpec
from utils.errors import UserError, quoted


def schema(spec: TaskSpec) -> pa.Schema:
    """The columns of every file of a table, in file order."""
    fields = [("row", pa.int64()), ("domain", pa.string()),
              ("label", pa.int64() if spec.labels else pa.float64()),
              *((name, pa.string()) for name in spec.text)]
    if spec.kind == "multiple_choice":
        fields.append(("choices", pa.list_(pa.string())))
    return pa.schema(fields)


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column without missing values as NumPy's; `to_numpy` would import pandas, half a second of a start."""
    return np.from_dlpack(column.combine_chunks())


def check_row(row: dict, spec: TaskSpec, where: str) -> None:
    """Raise UserError unless the values of a row are what the spec says."""
    try:
        file_name_part(row["domain"])
    except ValueError as error:
        raise UserError(f"{where}: domain {error}") from None
    label = row["label"]
    if spec.labels and not (type(label) is int and 0 <= label < len(spec.labels)):
        raise UserError(f"{where}: label {quoted(label)} is no index into {', '.join(spec.labels)}")
    if not spec.labels and not (type(label) is float and math.isfinite(label)):
        raise UserError(f"{where}: label {label!r} is no finite float")
    texts = [row[name] for name in spec.text]
    if spec.kind == "multiple_choice":
        texts += row["choices"]
        if len(row["choices"]) != len(spec.labels):
            raise UserError(f"{where}: {len(row['choices'])} choices; expected {len(spec.labels)}")
    for text in texts:
        if type(text) is not str:
            raise UserError(f"{where}: {quoted(text)} is no text")


def fault(table: pa.Table, spec: TaskSpec, domain: str) -> str:
    """Return what the values of one domain's rows have that `check_row` would not have let in; "" when nothing."""
    for name in table.column_names:
        if table[name].null_count:
            return f"column {name!r} lacks values"
    labels, classes = numbers(table["label"]), len(spec.labels)
    if classes and not 0 <= labels.min() <= labels.max() < classes:
        return f"labels from {labels.min()} to {labels.max()}, expected 0 to {classes - 1}"
    if not np.isfinite(labels).all():
        return "labels that are no finite numbers"
    if table["domain"].unique().to_pylist() != [domain]:
        return f"rows of other domains than {domain!r}"
    if spec.kind == "multiple_choice":
        choices = table["choices"].combine_chunks()
        if choices.flatten().null_count or set(choices.value_lengths().to_pylist()) != {len(spec.labels)}:
            return f"rows without {len(spec.labels)} choices"
    return ""
