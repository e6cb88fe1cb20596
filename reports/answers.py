"""What a run's models answered, row by row: read from the predictions.parquet in its folder."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.record.predictions_file import read_table
from utils.record.runlog import PREDICTIONS


@dataclass(frozen=True)
class Answers:
    """The answers on one evaluation set after one round, in the set's order.

    `rows` int64 [n], the rows' numbers in the set's split; `domains`, the names; `domain` int64 [n], each row's place
    in them; `labels`, `predictions` and `loss` float64 [n].
    """

    rows: np.ndarray
    domains: tuple[str, ...]
    domain: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    loss: np.ndarray

    def always(self, constant: float) -> "Answers":
        """Return the answers that say `constant` to each of these rows; their loss is unknown (NaN)."""
        return replace(self, predictions=np.full(len(self.rows), float(constant)), loss=np.full(len(self.rows), np.nan))


def read_answers(folder: Path, name: str, server_round: int | None = None) -> Answers | None:
    """Return a run's answers on the evaluation set `name` after a round (None: the last one there).

    None for a run without the file, as older ones are. Raises UserError, which names the file and what is wrong in
    it: it is no Parquet file, lacks a column, holds values of another kind or that are no finite numbers, a row
    twice, or no row of that set and round.
    """
    path = folder / PREDICTIONS
    if not path.exists():
        return None
    import pyarrow.compute as pc

    table = read_table(path)
    table = table.filter(pc.equal(table["set"], name))
    last = pc.max(table["round"]).as_py() if server_round is None else server_round
    table = table.filter(pc.equal(table["round"], last))
    if not table.num_rows:
        when = "" if server_round is None else f" after round {server_round}"
        raise UserError(f"{path}: holds no answers on {name!r}{when}")
    domain = table["domain"].combine_chunks().dictionary_encode()
    numbers = {column: table[column].to_numpy().astype(np.float64) for column in ("label", "prediction", "loss")}
    for column, values in numbers.items():
        if not np.isfinite(values).all():
            raise UserError(f"{path}: column {column!r} holds what is no finite number")
    rows = table["row"].to_numpy().astype(np.int64)
    if len(np.unique(rows)) < len(rows):
        raise UserError(f"{path}: column 'row' has a row of {name!r} twice")
    return Answers(rows, tuple(domain.dictionary.to_pylist()), domain.indices.to_numpy().astype(np.int64),
                   *numbers.values())
