"""Rows that are too long: transformers' own cut of pairs, the definition of a fair one, and what a prompt keeps."""

import logging
import re
from collections import defaultdict
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

import preprocess.common as preprocess
from tests.loading import loaded
from tests.tiny import FAMILIES, MULTIPLE_CHOICE, POSITIONS, QASC, RTE, TEXT_TO_TEXT, real_rows
from tests.toy import toy_rows, toy_table
from utils.config import RunConfig
from utils.data.dataset import TaskData
from utils.data.table import write_table
from utils.data.tokens import cache_key, tokenise
from utils.data.truncation import Cuts, fair, shares
from utils.errors import UserError

LENGTHS = st.lists(st.integers(0, 30), min_size=1, max_size=9)
DIGITS = "2345"
WORDLESS = re.compile(r"[\d\s]")  # what is not the frame's
FRAMED = replace(RTE, prompt="first: {sentence1} (second) {sentence2}, the end")
CHOSEN = replace(QASC, prompt="a {choices} question: {question}", labels=QASC.labels[:3],
                 label_words=QASC.label_words[:3])


@pytest.fixture(scope="session")
def tokenizer_of(tiny):
    return cache(lambda family: loaded(tiny(family), RTE, max_length=POSITIONS)[1])


def one_by_one(lengths: list[int], room: int) -> list[int]:
    """The definition: take one token from the longest, as often as it needs; from the first one that began shortest."""
    kept = list(lengths)
    while sum(kept) > max(room, 0):
        kept[max(range(len(kept)), key=lambda k: (kept[k], -lengths[k], -k))] -= 1
    return kept


@given(LENGTHS, st.integers(0, 200))
def test_the_longest_is_cut_first(lengths, room):
    assert fair(np.array(lengths), room).tolist() == one_by_one(lengths, room)


@given(LENGTHS, LENGTHS, st.integers(0, 300))
def test_shares_are_as_large_as_can_be_and_choices_stay_whole_while_a_text_can_be_cut(texts, choices, room):
    lengths = np.array(texts + choices)
    kept, more = (shares(lengths, len(texts), size) for size in (room, room + 1))
    assert kept.sum() == min(room, lengths.sum()) and (kept <= lengths).all() and (more >= kept).all()
    if room >= np.count_nonzero(lengths):
        assert ((kept > 0) == (lengths > 0)).all()
    if (kept[len(texts):] < lengths[len(texts):]).any() and room >= np.count_nonzero(lengths):
        assert (kept[:len(texts)] <= 1).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_are_cut_as_transformers_cuts_them(tiny, tokenizer_of, family):
    """Also where the folder was saved with another truncation: that one is not the run's."""
    plain, tokenizer = AutoTokenizer.from_pretrained(tiny(family)), tokenizer_of(family)
    rows, between = real_rows(RTE, 10), family == "gpt2"
    pairs = list(zip(rows["sentence1"].to_pylist(), rows["sentence2"].to_pylist(), strict=True))
    for side, max_length in (("right", 9), ("right", 30), ("right", 71), ("left", 30)):
        plain.truncation_side = tokenizer.truncation_side = side
        tokenizer.backend_tokenizer.enable_truncation(5, strategy="only_first")
        found, cut = tokenise(rows, RTE, tokenizer, max_length, False), 0
        for row, pair in enumerate(pairs):
            expected = plain(*pair, truncation="longest_first", max_length=max_length - between)
            ids = list(expected["input_ids"])
            if between:
                ids.insert(expected.sequence_ids(0).index(1), plain.eos_token_id)
            assert found.sequences(row)[0].tolist() == ids
            cut += len(plain(*pair)["input_ids"]) + between > max_length
        cuts = found.cuts(max_length)
        assert (cuts.rows, cuts.lost) == (cut, 0) and cuts.enough < 9
    tokenizer.truncation_side = "right"


def test_the_side_is_part_of_the_caches_name(tokenizer_of):
    bert = tokenizer_of("bert")
    before = cache_key("f", "train", bert, max_length=64, text_to_text=False)
    bert.truncation_side = "left"
    assert cache_key("f", "train", bert, max_length=64, text_to_text=False) != before
    bert.truncation_side = "right"


@pytest.mark.parametrize("family", MULTIPLE_CHOICE)
def test_of_a_question_and_a_choice_the_question_is_cut(tokenizer_of, family):
    tokenizer = tokenizer_of(family)
    question = " ".join(["when"] * 60)
    choices = [" ".join(["then"] * 20 + [end]) for end in "ABCDEFGH"]  # only their ends differ
    found = tokenise(pa.table({"question": [question], "choices": [choices]}), QASC, tokenizer, 64, False)
    assert (found.cuts(64).rows, found.cuts(64).lost) == (1, 0) and found.lengths.tolist() == [64]
    for ids, choice in zip(found.sequences(0), choices, strict=True):
        alone = tokenizer(choice, add_special_tokens=False)["input_ids"]
        assert ids.tolist()[-1 - len(alone):-1] == alone


@pytest.mark.parametrize("family", TEXT_TO_TEXT)
@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(0, 40), min_size=4, max_size=4), max_length=st.integers(8, 120))
def test_a_prompt_keeps_its_frame_and_something_of_each_field(tokenizer_of, family, lengths, max_length):
    """Texts of digits, one for each field, in a frame without digits: what is kept can be read off the ids."""
    tokenizer = tokenizer_of(family)
    a, b, c, d = [" ".join([digit] * length) for digit, length in zip(DIGITS, lengths)]
    for spec, columns, prompt in (
            (FRAMED, {"sentence1": [a], "sentence2": [b]}, f"first: {a} (second) {b}, the end"),
            (CHOSEN, {"question": [a], "choices": [[b, c, d]]}, f"a (A) {b} (B) {c} (C) {d} question: {a}")):
        found, whole = tokenise(pa.table(columns), spec, tokenizer, max_length, True), tokenizer(prompt)["input_ids"]
        ids, cuts = found.sequences(0)[0].tolist(), found.cuts(max_length)
        assert len(ids) == min(max_length, len(whole)) and cuts.rows == (len(whole) > max_length)
        if cuts.lost:
            assert max_length < cuts.enough and ids == [*whole[:max_length - 1], whole[-1]]  # its end goes
            continue
        rest = iter(whole)
        assert all(token in rest for token in ids)  # in their order
        read = tokenizer.decode(ids, skip_special_tokens=True)
        assert WORDLESS.sub("", read) == WORDLESS.sub("", prompt)
        kept, before = np.array([read.count(digit) for digit in DIGITS]), np.array(lengths)
        alike = slice(2) if spec is FRAMED else slice(1, 4)  # fields that are cut alike: the texts, the choices
        cut = kept[alike] < before[alike]
        if spec is CHOSEN and cut.any():
            assert kept[0] <= 1  # the question has gone before the choices
        # a digit is up to two tokens, the first of which is its space
        assert (kept[alike] <= kept[alike][cut].min(initial=100) + 1).all()
        if max_length >= cuts.enough + 4:
            assert ((kept[alike] > 0) == (before[alike] > 0)).all()


def test_no_row_of_rte_loses_its_second_sentence(tokenizer_of, shared_data):
    """At the default --max_length, where the prompt's end would be cut, rows of either label would be one."""
    lines = (shared_data / "glue/RTE/train.tsv").read_text(encoding="utf-8").splitlines()[1:]
    _, first, second, label = zip(*(line.split("\t") for line in lines))
    rows = pa.table({"sentence1": first, "sentence2": second})
    tokenizer, spec = tokenizer_of("t5"), preprocess.load("rte").SPEC
    found = tokenise(rows, spec, tokenizer, 128, True)
    whole = tokenise(rows, spec, tokenizer, 10**6, True)
    cuts = found.cuts(128)
    assert found.n_rows == 2490 and cuts.lost == 0 and cuts.rows == (whole.lengths > 128).sum() > 264
    assert ((found.needed > 0) == (whole.lengths > 128)).all() and whole.cuts(10**6) == Cuts()
    assert (found.lengths == np.minimum(whole.lengths, 128)).all()
    plain = [ids[:127] for ids in (whole.sequences(row)[0].tolist() for row in range(2490))]
    assert labels_that_meet(plain, label) > 0 == labels_that_meet(
        [found.sequences(row)[0].tolist() for row in range(2490)], label)
    for row in np.flatnonzero(whole.lengths > 128)[::10]:
        one, two = tokenizer.decode(found.sequences(row)[0], skip_special_tokens=True).split("sentence2:")
        assert one.startswith("rte sentence1: ") and min(len(one) - 15, len(two)) > 9


def labels_that_meet(rows: list[list[int]], labels: tuple[str, ...]) -> int:
    """Count the sequences that rows of more than one label share."""
    met = defaultdict(set)
    for ids, label in zip(rows, labels, strict=True):
        met[tuple(ids)].add(label)
    return sum(len(labels) > 1 for labels in met.values())


def test_what_was_cut_is_told_from_the_cache_too_and_a_lost_field_is_an_error(tokenizer_of, tmp_path, caplog):
    caplog.set_level(logging.INFO, "lm")
    toy_table(tmp_path)
    spec, tokenizer = preprocess.load("rte").SPEC, tokenizer_of("t5")

    def noted(**flags) -> list[str]:
        caplog.clear()
        data = TaskData(RunConfig(data="rte", data_dir=str(tmp_path), **flags), spec)
        data.tokenise(tokenizer, True)
        return [record.getMessage() for record in caplog.records]

    assert noted() == []
    first = noted(max_length=28)
    assert re.fullmatch(r"rte train: \d+ of 60 rows were cut to --max_length 28 tokens", first[0]) and len(first) == 2
    assert noted(max_length=28) == first
    for _ in range(2):  # made, and from the cache
        with pytest.raises(UserError, match="--max_length 18: 60 of 60 rows of rte train would lose a whole field; "
                                            "give at least --max_length 19, or allow it by --truncate"):
            noted(max_length=18)
    assert noted(max_length=18, truncate=True)[1] == (
        "rte dev: 24 of 24 rows were cut to --max_length 18 tokens; 24 lost a whole field")
    assert "lost" not in "".join(noted(max_length=19))


def test_what_is_cut_is_counted_of_the_rows_that_are_used(tokenizer_of, tmp_path, caplog):
    """One row in four is too long."""
    caplog.set_level(logging.INFO, "lm")
    spec = replace(RTE, natural_by_default=True, domain="genre")
    rows = [{**row, "sentence1": " ".join(["word"] * (60 if k % 4 == 0 else 3)), "domain": "ab"[k % 2]}
            for k, row in enumerate(toy_rows(40, 1))]
    write_table(tmp_path / "rte", spec, {"train": rows, "dev": rows[::-1]}, "toy")
    tokenizer = tokenizer_of("bert")

    def noted(**flags) -> list[str]:
        caplog.clear()
        data = TaskData(RunConfig(data="rte", data_dir=str(tmp_path), max_length=40, overlap="keep", **flags), spec)
        data.tokenise(tokenizer, False)
        rows = np.concatenate([*data.plan.shards, *data.plan.val.rows])
        assert data.tokens["train"].cuts(40).rows == 10  # of all
        return [*re.findall(r"rte \w+: [\d,]+ of [\d,]+ rows", caplog.text), int((rows % 4 == 0).sum())]

    assert noted() == ["rte train: 10 of 40 rows", "rte dev: 10 of 40 rows", 10]
    train, dev, cut = noted(test=5, val_ratio=0.2)
    assert train == f"rte train: {cut} of 10 rows" and re.fullmatch(r"rte dev: [1-5] of 10 rows", dev)
    assert noted(only_client=1)[:2] == ["rte dev: 10 of 40 rows", 0]  # no row of b is long
    assert noted(only_client=0)[0] == "rte train: 10 of 20 rows"


@pytest.mark.parametrize("text", ["", " ", "   \t  ", "\u2003"])
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_without_a_word_are_rows(tokenizer_of, family, text):
    """Alone, beside one with words, and beside one that is too long; no sequence is empty."""
    long = "word " * 40
    pairs = pa.table({"sentence1": [text, text, long, "a"], "sentence2": [text, long, text, text]})
    tables = [(RTE, pairs), (replace(RTE, text=("sentence1",), prompt="x {sentence1}"), pairs)]
    if family in MULTIPLE_CHOICE or family in TEXT_TO_TEXT:
        tables.append((QASC, pa.table({"question": [text, long], "choices": [[long, *[text] * 7], [text] * 8]})))
    for spec, rows in tables:
        for words in {family in TEXT_TO_TEXT, family in ("t5", "mt5")}:
            if words or spec is not QASC or family in MULTIPLE_CHOICE:
                found = tokenise(rows, spec, tokenizer_of(family), 64, words)
                assert found.cuts(64).lost == 0 < np.diff(found.offsets).min() and found.lengths.max() <= 64
