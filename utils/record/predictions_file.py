"""The one reader of predictions.parquet: for a run that goes on, and for reports."""

from pathlib import Path
from typing import Any

from utils.errors import UserError, in_short

#: the columns that are needed, and the kinds of their values
COLUMNS = {"round": "integer", "set": "string", "row": "integer", "domain": "string", "label": "floating",
           "prediction": "floating", "loss": "floating"}


def read_table(path: Path) -> Any:
    """Return a predictions.parquet as a pyarrow.Table with the COLUMNS; texts may be `large_string`, as pandas writes.

    Raises UserError, which names the file, where it is no Parquet file, lacks a column, or has one of another kind or
    with gaps.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            table = pq.read_table(file, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read as a Parquet file: {in_short(error)}") from None
    for name, kind in COLUMNS.items():
        if name not in table.column_names:
            raise UserError(f"{path}: lacks the column {name!r}")
        right = getattr(pa.types, f"is_{kind}")(table[name].type) or (
            kind == "string" and pa.types.is_large_string(table[name].type))
        if not right or table[name].null_count:
            gaps = " with gaps" if table[name].null_count else ""
            raise UserError(f"{path}: column {name!r} is {table[name].type}{gaps}, must be {kind}")
    return table
