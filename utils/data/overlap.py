"""Evaluation rows that are training rows: exact matches but for case, spaces and punctuation.

A text's key is what of it are letters, marks on letters and digits, after Unicode's NFKC and case folding; a text that
has none is its own key. Words are not kept apart, as one corpus writes "do n't" and another "don't". A row's key is the
keys of all its text fields, in their order: of a sentence pair, both sentences. So a row of which one field alone is
among the training rows (an RTE premise with another hypothesis) is no training row; such fields are counted beside.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

Texts = Sequence[Sequence[str]]  # rows as columns: one for each text field, all of one length
CHUNK = 50_000  # training rows whose texts are in memory at once


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
    seen_fields: list[set[str]] = [set() for _ in fields]
    seen_rows: set[tuple[str, ...]] = set()
    for texts in training:
        made = [keys(column) for column in texts]
        for seen, looked_for, column in zip(seen_fields, fields, made, strict=True):
            seen |= looked_for.intersection(column)
        seen_rows |= rows.intersection(zip(*made))
    return [np.array([[row in seen_rows for row in zip(*texts)],
                      *([key in seen for key in column] for column, seen in zip(texts, seen_fields))], bool)
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
