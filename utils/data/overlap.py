"""Evaluation rows that are training rows: exact matches but for case, spaces and punctuation.

A text's key is what of it are letters, marks on letters and digits, after Unicode's NFKC and case folding; a text that
has none is its own key. Words are not kept apart, as one corpus writes "do n't" and another "don't". A row's key is the
keys of all its text fields, in their order: of a sentence pair, both sentences. So a row of which one field alone is
among the training rows (an RTE premise with another hypothesis) is no training row; such fields are counted beside.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from utils.config import RunConfig
from utils.console import NOTES
from utils.data.evaluation import Chosen
from utils.data.evaluation_sets import OUT_OF_DOMAIN
from utils.data.partition import Domains
from utils.data.table import Table
from utils.ood_data import asked_sets

Seen = Mapping[str, np.ndarray]  # an evaluation set's name → bool [1 + fields, rows], see seen_in
Texts = Sequence[Sequence[str]]  # rows as columns: one for each text field, all of one length
CHUNK = 50_000  # training rows whose texts are in memory at once


def dropped_from(config: RunConfig, sets: Sequence[Chosen]) -> list[Chosen]:
    """Return the sets that lose their training rows: by `--overlap`, those out of domain, all or none."""
    outside = {*OUT_OF_DOMAIN, *(asked.name for asked in asked_sets(config.ood_data))}
    return [each for each in sets if config.overlap == "drop" or config.overlap == "drop_ood" and each.name in outside]


def seen_rows(table: Table, training: Iterable[np.ndarray], sets: Sequence[Chosen]) -> Seen:
    """Return which rows of each set, domain after domain, are the `training` rows of `table` (int64, in parts)."""
    if not sets:
        return {}
    columns, rows = table.spec.text, np.unique(np.concatenate([*training]))
    tested = [texts_of(each.table.split(each.split).take(pa.array(np.concatenate(each.domains.rows))), columns)
              for each in sets]
    found = seen_in(in_chunks(table.split(table.train_split), columns, rows), tested)
    return {each.name: seen for each, seen in zip(sets, found)}


def without_seen(chosen: Chosen, seen: Seen) -> Chosen:
    """Return a set without its training rows, if it is among `seen`."""
    if chosen.name not in seen:
        return chosen
    parts = np.split(~seen[chosen.name][0], np.cumsum([len(rows) for rows in chosen.domains.rows])[:-1])
    return replace(chosen, domains=Domains(chosen.domains.names, tuple(
        rows[kept] for rows, kept in zip(chosen.domains.rows, parts))))


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


def seen_in(training: Iterable[Texts], tested: Sequence[Texts]) -> list[np.ndarray]:
    """Return of each set of rows in `tested` which of them are among the rows `training`: bool [1 + fields, rows].

    The first line says it of the whole row, the others of each of its fields. Training rows are gone through once, and
    only keys that are looked for are kept.
    """
    if not tested:
        return []
    wanted = [[keys(column) for column in texts] for texts in tested]
    fields = [set().union(*columns) for columns in zip(*wanted)]
    rows = {row for texts in wanted for row in zip(*texts)}
    found_fields: list[set[str]] = [set() for _ in fields]
    found_rows: set[tuple[str, ...]] = set()
    for texts in training:
        made = [keys(column) for column in texts]
        for found, looked_for, column in zip(found_fields, fields, made, strict=True):
            found |= looked_for.intersection(column)
        found_rows |= rows.intersection(zip(*made))
    return [np.array([[row in found_rows for row in zip(*texts)],
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
