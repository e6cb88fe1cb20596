"""Rows of other tasks, and of other splits of a run's own, to evaluate on: `--ood_data`."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa

from utils.config import RunConfig
from utils.data.columns import numbers, schema
from utils.data.evaluation import TAKEN, Chosen
from utils.data.label_maps import label_map
from utils.data.partition import Domains
from utils.data.table import Table
from utils.data.task import TaskSpec
from utils.errors import UserError
from utils.ood_data import Asked, asked_sets
from utils.plugins import EVALUATION_SETS


class ForeignTable(Table):
    """The `table` of another task as one of `spec`: its texts have that task's names, in their order, and its labels.

    So tokens, prompts and heads are those of the task that is trained on. `fingerprint` covers both; `own`: the table
    as it is; `map`: see `label_map`. Raises UserError where no labels of the one are labels of the other.
    """

    def __init__(self, table: Table, spec: TaskSpec) -> None:
        found = label_map(spec, table.spec)
        if found is None:
            raise UserError(f"--ood_data {table.spec.name}: its labels say nothing of those of {spec.name}; name a "
                            "task that asks the same")
        both = json.dumps([table.fingerprint, asdict(spec), asdict(found)]).encode()
        super().__init__(table.folder, spec, {**table.card, "fingerprint": hashlib.sha256(both).hexdigest()})
        self._own = table
        self.map, self.alike = found, found.alike

    @property
    def own(self) -> Table:
        """The table as its task has it."""
        return self._own

    def split(self, name: str) -> pa.Table:
        """Return the rows of a split; see `Table.split`."""
        split = self.own.split(name)
        labels = self.map.of(numbers(split["label"]).astype(np.float64))
        texts = dict(zip(self.own.spec.text, self.spec.text, strict=True))
        split = split.rename_columns([texts.get(column, column) for column in split.column_names])
        place = split.column_names.index("label")
        field = schema(self.spec).field("label")
        return split.set_column(place, field, pa.array(labels).cast(field.type))


def foreign_sets(config: RunConfig, table: Table, foreign: Sequence[Table]) -> list[Chosen]:
    """Return the sets that `--ood_data` names, in its order, of all their rows.

    `table` is that of the run's task; `foreign` are those of the other tasks that are named. A set's domains are those
    of its rows. Raises UserError, naming the set, for rows that are not there, are trained or tested on, or are those
    of another set.
    """
    tables = {each.own.spec.name: each for each in (table, *foreign)}
    found: dict[tuple, tuple[Asked, Chosen]] = {}
    for asked in asked_sets(config.ood_data):
        each = _set(config, asked, tables[asked.task], table)
        first, _ = found.setdefault((asked.task, each.split, each.domains.names), (asked, each))
        if first != asked:
            raise UserError(f"--ood_data {asked}: its rows are those of {first}; give one of them")
    return [each for _, each in found.values()]


def _set(config: RunConfig, asked: Asked, found: Table, table: Table) -> Chosen:
    """Return one of the sets, of rows of the table `found`."""
    if asked.name in {*TAKEN, *EVALUATION_SETS.names()}:
        raise UserError(f"--ood_data {asked}: another set of a record is called {asked.name}; name the split, too")
    split = asked.split or found.own.spec.test_split
    if split not in found.splits:
        raise UserError(f"--ood_data {asked}: no split {split!r}; {asked.task} has {', '.join(found.splits)}")
    column = np.asarray(found.split(split)["domain"].to_pylist())
    names = sorted({*column.tolist()})
    if asked.domain and asked.domain not in names:
        raise UserError(f"--ood_data {asked}: no domain {asked.domain!r}; {split} has {', '.join(names)}")
    if found is table and split in (table.train_split, table.tested_split(config.test_split)):
        raise UserError(f"--ood_data {asked}: {split} is {'trained' if split == table.train_split else 'tested'} on "
                        "anyway; give another split or task, or leave it out")
    kept = (asked.domain,) if asked.domain else tuple(names)
    return Chosen(asked.name, found, split, Domains(kept, tuple(np.flatnonzero(column == name) for name in kept)))
