"""Which tokens of a row that is too long are kept: the longest of its fields are cut first, none is lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FRAME = -1  # in the place of a field: a token of a prompt's own words; it is kept
SPECIAL = -2  # a token that the tokenizer adds; it is kept


@dataclass(frozen=True)
class Cuts:
    """How many of some rows `--max_length` cuts."""

    #: rows that are cut
    rows: int = 0
    #: of these, rows that lose a whole field
    lost: int = 0
    #: the --max_length with which none would lose one; 0 if none is cut
    enough: int = 0

    @classmethod
    def of(cls, needed: np.ndarray, max_length: int) -> Cuts:
        """Return the counts of rows by what each has `needed` (int [rows]): see `Tokens`."""
        return cls(int((needed > 0).sum()), int((needed > max_length).sum()), int(needed.max(initial=0)))


def fair(lengths: np.ndarray, room: int) -> np.ndarray:
    """Return how much of each of some fields is kept, int64 [fields], so that no more than `room` is.

    The longest is cut first, down to the next longest, then both, and so on (Hugging Face's longest_first, for more
    than two fields). What does not divide goes to the longer ones, of equally long ones to the last.
    """
    kept = np.zeros_like(lengths)
    for left, field in zip(range(len(lengths), 0, -1), np.argsort(lengths, kind="stable")):
        kept[field] = min(lengths[field], room // left)
        room -= kept[field]
    return kept


def shares(lengths: np.ndarray, n_texts: int, room: int) -> np.ndarray:
    """Return how much of each field is kept, int64 [fields]; of none nothing, if `room` has a place for each.

    The first `n_texts` are texts, the others a row's choices, which stay whole as long as a text can be cut:
    two choices that begin alike would else be one.
    """
    texts, choices = lengths[:n_texts], lengths[n_texts:]
    choices = fair(choices, room - int(np.count_nonzero(texts)))
    return np.concatenate([fair(texts, room - int(choices.sum())), choices])


def least(fields: np.ndarray) -> int:
    """Return the tokens of a row of which each field keeps one, and special tokens and frame are whole."""
    return int((fields < 0).sum()) + len(np.unique(fields[fields >= 0]))


def kept_places(fields: np.ndarray, n_texts: int, most: int, side: str) -> np.ndarray:
    """Return the places of the tokens that are kept of a row, at most `most`: int64, ascending.

    `fields` (int64 [tokens]) has each token's field, FRAME or SPECIAL; `shares` says how much of each is kept, of
    `side` "right" its beginning, of "left" its end. Where `most` is below `least`, a prompt is cut as one field:
    its own words alone would be of no use.
    """
    if least(fields) > most:
        fields = np.where(fields == SPECIAL, SPECIAL, 0)
    lengths = np.bincount(fields[fields >= 0], minlength=n_texts)
    keep = fields < 0
    for field, share in enumerate(shares(lengths, n_texts, most - int(keep.sum()))):
        places = np.flatnonzero(fields == field)
        keep[places[:share] if side == "right" else places[len(places) - share:]] = True
    return np.flatnonzero(keep)
