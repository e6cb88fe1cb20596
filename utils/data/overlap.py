"""Evaluation rows that are training rows: exact matches but for case, spaces and punctuation.

A text's key is what of it are letters, marks on letters and digits, after Unicode's NFKC and case folding; a text that
has none is its own key. Words are not kept apart, as one corpus writes "do n't" and another "don't". A row's key is the
keys of all its text fields: of a sentence pair, both sentences, in their order unless they may change places (by the
task's `symmetric`). So a row of which one field alone is among the training rows (an RTE premise with another
hypothesis) is no training row; such fields are counted beside.
"""

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from utils.console import NOTES
from utils.data.evaluation import Chosen, Read
from utils.data.evaluation_sets import HELD_OUT
from utils.data.partition import Domains, Plan
from utils.data.table import Table

Seen = Mapping[str, np.ndarray]  # an evaluation set's name → bool [1 + fields, rows], see seen_in
Texts = Sequence[Sequence[str]]  # rows as columns: one for each text field, all of one length
CHUNK = 50_000  # training rows whose texts are in memory at once


@dataclass(frozen=True)
class Trained:
    """Rows of the train split of `table` that a model is trained on, and those `held_out` of them: int64 [n] each."""

    table: Table
    rows: np.ndarray
    held_out: np.ndarray

    @classmethod
    def by(cls, table: Table, plan: Plan) -> "Trained":
        """Return those of a run; of one that trains on a part (--only_client), all of its plan's."""
        none = np.zeros(0, np.int64)
        return cls(table, *(np.concatenate([none, *each.rows]) for each in (plan.train, plan.val)))


def dropped_from(overlap: str, sets: Sequence[Chosen], outside: Collection[str]) -> list[str]:
    """Return the names of the sets that lose their training rows: by `--overlap`, those `outside`, all or none."""
    return [each.name for each in sets if overlap == "drop" or overlap == "drop_ood" and each.name in outside]


def seen_rows(training: Sequence[Trained], sets: Sequence[Chosen], read: Read) -> Seen:
    """Return which rows of each set, domain after domain, are training rows.

    For all sets but that of the held-out rows these are training rows, too, so that a set has the same rows with
    every seed and every way to train. `read`: see `Table.split`.
    """
    held_out = [each for each in sets if each.name == HELD_OUT]
    others = [each for each in sets if each.name != HELD_OUT]
    return {**_seen([(each.table, np.concatenate([each.rows, each.held_out])) for each in training], others, read),
            **_seen([(each.table, each.rows) for each in training], held_out, read)}


def _seen(training: Sequence[tuple[Table, np.ndarray]], sets: Sequence[Chosen], read: Read) -> Seen:
    if not sets:
        return {}
    columns = sets[0].table.spec.text  # another task's table has those of the run's, see ForeignTable
    tested = [texts_of(read(each.table, each.split).take(pa.array(np.concatenate(each.domains.rows))), columns)
              for each in sets]
    chunks = (texts for table, rows in training
              for texts in in_chunks(read(table, table.train_split), table.spec.text, np.unique(rows))
              if len(texts) == len(tested[0]))  # rows of another number of texts are none of these
    return {each.name: seen for each, seen in zip(sets, seen_in(chunks, tested, sets[0].table.spec.symmetric))}


def seen_numbers(sets: Sequence[Chosen], seen: Seen, names: Collection[str]) -> dict[str, list[int]]:
    """Return the numbers in their split of the rows of the sets `names` that are training rows, by these names."""
    return {each.name: np.concatenate(each.domains.rows)[seen[each.name][0]].tolist()
            for each in sets if each.name in names}


def without(chosen: Chosen, numbers: Sequence[int]) -> Chosen:
    """Return a set without the rows of these numbers in their split."""
    return replace(chosen, domains=Domains(chosen.domains.names, tuple(
        rows[~np.isin(rows, numbers)] for rows in chosen.domains.rows)))


def counted(name: str, seen: np.ndarray, columns: Sequence[str], dropped: bool) -> dict[str, object]:
    """Return what the record says of a set's training rows, and say it where there are some."""
    whole, *of_fields = seen.sum(1).tolist()
    fields = dict(zip((*columns, "choices"), of_fields)) if len(of_fields) > 1 else {}
    parts = [f"; {n:,} have the {field} of one" for field, n in fields.items() if n > whole]
    if whole or parts:
        done = ("; they are left out (--overlap keep keeps them)" if dropped else
                "; they are kept (--overlap drop leaves them out)") if whole else ""
        NOTES.info("overlap: %s: %s of %s rows are training rows but for case, spaces and punctuation%s%s", name,
                   f"{whole:,}", f"{seen.shape[1]:,}", done, "".join(parts))
    return {"rows": seen.shape[1], "training_rows": whole, "fields": fields, "dropped": whole * dropped}


def texts_of(split: pa.Table, columns: Sequence[str]) -> list[list[str]]:
    """Return the text fields of a split's rows, column by column; the choices of multiple choice are one more."""
    texts: list[list[str]] = [split[name].to_pylist() for name in columns]
    if "choices" in split.column_names:
        texts.append([" ".join(choices) for choices in split["choices"].to_pylist()])
    return texts


def in_chunks(split: pa.Table, columns: Sequence[str], rows: np.ndarray) -> Iterator[list[list[str]]]:
    """Yield the text fields of a split's `rows` (int64, their numbers), CHUNK rows at a time."""
    for start in range(0, len(rows), CHUNK):
        yield texts_of(split.take(pa.array(rows[start:start + CHUNK])), columns)


def seen_in(training: Iterable[Texts], tested: Sequence[Texts], symmetric: bool = False) -> list[np.ndarray]:
    """Return of each set of rows in `tested` which of them are among the rows `training`: bool [1 + fields, rows].

    The first line says it of the whole row, where its texts may have changed places if the task is `symmetric`, the
    others of each of its fields. Training rows are gone through once, and
    only keys that are looked for are kept.
    """
    def whole(columns: Texts) -> list[tuple[str, ...]]:
        return [tuple(sorted(row)) if symmetric else row for row in zip(*columns)]

    if not tested:
        return []
    wanted = [[keys(column) for column in texts] for texts in tested]
    fields = [set().union(*columns) for columns in zip(*wanted)]
    rows = {row for texts in wanted for row in whole(texts)}
    found_fields: list[set[str]] = [set() for _ in fields]
    found_rows: set[tuple[str, ...]] = set()
    for texts in training:
        made = [keys(column) for column in texts]
        for found, looked_for, column in zip(found_fields, fields, made, strict=True):
            found |= looked_for.intersection(column)
        found_rows |= rows.intersection(whole(made))
    return [np.array([[row in found_rows for row in whole(texts)],
                      *([key in found for key in column] for column, found in zip(texts, found_fields))], bool)
            for texts in wanted]


def keys(texts: Sequence[str]) -> list[str]:
    """Return the key of each text."""
    table = _Kept()
    return [text.lower().translate(table) or text if text.isascii() else
            unicodedata.normalize("NFKC", text).casefold().translate(table) or text for text in texts]


class _Kept(dict[int, int | None]):
    """What str.translate makes of a character: itself if it is a letter, a mark or a digit, and else nothing."""

    def __missing__(self, code: int) -> int | None:
        kept = self[code] = code if unicodedata.category(chr(code))[0] in "LMN" else None
        return kept
