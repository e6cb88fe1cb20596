"""What counts as the same text, and which rows are among others: by definitions of one line."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.data import overlap
from utils.data.overlap import in_chunks, keys, seen_in, texts_of


@pytest.mark.parametrize(("text", "key"), [
    ("It 's  a `` JOY '' .", "itsajoy"), ("do n't", "dont"), ("a_b-c", "abc"), ("Straße", "strasse"),
    ("\u2028x\xa0y\t", "xy"), ("ﬁne № ½", "fineno12"), ("कि", "कि"), ("का!", "का"), ("Ｆｕｌｌ", "full"), ("?!", "?!"),
    ("", ""), ("“”", "“”")])
def test_a_key_is_letters_marks_and_digits(text, key):
    assert keys([text]) == [key]


@given(st.lists(st.text(max_size=20)))
def test_keys_are_those_of_the_definition(texts):
    def key(text: str) -> str:
        folded = unicodedata.normalize("NFKC", text).casefold()
        return "".join(c for c in folded if unicodedata.category(c)[0] in "LMN") or text

    assert keys(texts) == [key(text) for text in texts]


WORDS = st.sampled_from(["a", "A.", "b", "a b", "c"])
PAIRS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=8)


def columns(rows):
    return [list(column) for column in zip(*rows)]


@given(PAIRS, st.lists(PAIRS, max_size=3))
def test_rows_and_fields_that_are_seen(training, tested):
    first, second = (set(keys(column)) for column in columns(training))
    whole = {tuple(keys(row)) for row in training}
    found = seen_in([columns(training)], [columns(rows) for rows in tested])
    assert len(found) == len(tested)
    for rows, seen in zip(tested, found):
        expected = [[tuple(keys(row)) in whole, keys(row)[0] in first, keys(row)[1] in second] for row in rows]
        assert seen.dtype == bool and seen.T.tolist() == expected


def test_fields_go_together_only_in_their_order():
    assert seen_in([[["ab", "x"], ["c", "y"]]], [[["a", "x", "c"], ["bc", "c", "ab"]]])[0].tolist() == [
        [False, False, False], [False, True, False], [False, True, False]]


def test_training_rows_come_in_chunks(monkeypatch):
    monkeypatch.setattr(overlap, "CHUNK", 2)
    split = pa.table({"question": ["p", "q", "r", "s"], "choices": [["1", "2"], ["3", "4"], ["5", "6"], ["7", "8"]]})
    chunks = list(in_chunks(split, ("question",), np.array([0, 1, 3])))
    assert chunks == [[["p", "q"], ["1 2", "3 4"]], [["s"], ["7 8"]]]
    tested = texts_of(split, ("question",))
    assert seen_in(chunks, [tested])[0].tolist() == [[True, True, False, True]] * 3
