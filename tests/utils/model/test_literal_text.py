"""Texts that spell special tokens: no id of one comes of them, in any family, and no row ends a run."""

from functools import cache

import numpy as np
import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoTokenizer, PreTrainedTokenizerFast, T5Tokenizer

from tests.loading import loaded
from tests.tiny import FAMILIES, MULTIPLE_CHOICE, QASC, RTE, TEXT_TO_TEXT, sentences, tiny_tokenizer
from utils.data.tokens import tokenise
from utils.model import loading
from utils.model.heads import make_head
from utils.model.literal_text import read_special_tokens_as_text

UNIGRAM = ("albert", "xlm-roberta", "deberta-v2", "t5", "mt5")


@pytest.fixture(scope="session")
def model_of(tiny):
    """A function: family → (model, tokenizer); a family that answers in words, with its words."""
    return cache(lambda family: loaded(tiny(family), RTE, max_length=128, text_to_text=family in TEXT_TO_TEXT))


def special_ids(tokenizer) -> set[int]:
    return {*tokenizer.all_special_ids, *(i for i, token in tokenizer.added_tokens_decoder.items() if token.special)}


def forged(tokenizer, text: str) -> set[int]:
    """The special ids in what becomes of a text."""
    return special_ids(tokenizer) & set(tokenizer(text, add_special_tokens=False)["input_ids"])


def hostile(tokenizer) -> list[str]:
    """Texts that spell each special token alone, within words, twice, and as its full-width letters."""
    words = sorted({tokenizer.convert_ids_to_tokens(i) for i in special_ids(tokenizer)})
    wide = {i: i + 0xFEE0 for i in range(33, 127)}
    return [text for word in words for text in
            (word, f"The man{word}is {word} here.", word * 2, f"{word[0]}{word}{word[-1]}", word.upper(),
             f"a {word.translate(wide)} b")]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_text_gives_a_special_id_and_other_texts_keep_theirs(tiny, model_of, family):
    tokenizer, plain = model_of(family)[1], AutoTokenizer.from_pretrained(tiny(family))
    texts = hostile(plain)
    assert any(forged(plain, text) for text in texts)
    # full-width letters and the like may be unknown to a tiny vocabulary; the special tokens' own may not
    assert {i for text in texts for i in forged(tokenizer, text)} <= {tokenizer.unk_token_id}
    assert not any(forged(tokenizer, text) for text in texts if text.isascii())
    assert [tokenizer(text)["input_ids"] for text in sentences()] == [plain(text)["input_ids"] for text in sentences()]


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_them_are_read_like_any(model_of, family):
    """Each row has the special tokens that the tokenizer adds, and the model reads them all at once."""
    model, tokenizer = model_of(family)
    hard, words = hostile(tokenizer), family in TEXT_TO_TEXT
    pairs = pa.table({"sentence1": [*hard, "plain"], "sentence2": ["plain", *hard]})
    found = tokenise(pairs, RTE, tokenizer, 128, words)
    special = special_ids(tokenizer) - {tokenizer.unk_token_id} | {tokenizer.eos_token_id}
    counts = [np.isin(ids, [*special]).sum() for row in range(found.n_rows) for ids in found.sequences(row)]
    added = 1 if family == "gpt2" else tokenizer.num_special_tokens_to_add(pair=not words)
    assert set(counts) == {added}
    rows = np.arange(found.n_rows)
    with torch.inference_mode():
        head = make_head(RTE, tokenizer, words)
        prediction, loss, _ = head.evaluate(model, head.collate(found, rows, rows % 2.0))
    assert len(prediction) == found.n_rows and loss.isfinite().all()
    if family in MULTIPLE_CHOICE:
        table = pa.table({"question": hard[:4], "choices": [hard[:8]] * 4})
        choices = tokenise(table, QASC, tokenizer, 128, False)
        assert {int(np.isin(ids, [*special]).sum()) for row in range(4) for ids in choices.sequences(row)} == {added}


def test_bart_classifies_a_row_with_its_end_of_text(tiny):
    """Its head wants as many </s> in each row of a batch: one row more of them ended the run."""
    model, tokenizer = loaded(tiny("bart"), RTE)
    found = tokenise(pa.table({"sentence1": ["a </s> b", "a"], "sentence2": ["c</s>", "</s></s>"]}), RTE, tokenizer,
                     64, False)
    head = make_head(RTE, tokenizer, False)
    with torch.inference_mode():
        assert head.evaluate(model, head.collate(found, np.arange(2), np.zeros(2)))[1].isfinite().all()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_saved_tokenizer_does_the_same(model_of, family, tmp_path):
    """Here always; in transformers alone unless it makes the family's tokenizer anew, without what was added."""
    model, tokenizer = model_of(family)
    loading.save(model, tokenizer, tmp_path / "model")
    again = loaded(tmp_path, RTE, max_length=128, text_to_text=family in TEXT_TO_TEXT)[1]
    assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()
    plain = AutoTokenizer.from_pretrained(tmp_path / "model")
    for text in hostile(tokenizer):
        expected = tokenizer(text)["input_ids"]
        assert again(text)["input_ids"] == expected
        assert family in UNIGRAM or plain(text)["input_ids"] == expected


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "t5", "xlm-roberta"])
def test_special_tokens_that_were_added_too_but_not_added_words(family):
    tokenizer = tiny_tokenizer(family)
    tokenizer.add_tokens(["<word>"])
    tokenizer.add_special_tokens({"extra_special_tokens": ["<extra_id_0>", "<|endoftext|>", "<|im_start|>"]})
    read_special_tokens_as_text(tokenizer)
    assert not {i for text in hostile(tokenizer) for i in forged(tokenizer, text)} - {tokenizer.unk_token_id}
    word = tokenizer.convert_tokens_to_ids("<word>")
    assert word in tokenizer("a <word> b")["input_ids"] and word not in special_ids(tokenizer)


def test_t5s_sentinels():
    unigram = [(token, 0.0) for token in ("<pad>", "</s>", "<unk>", "<extra_id_1>", "<extra_id_0>")]
    unigram += [(letter, -3.0) for letter in "▁abcdefghijklmnopqrstuvwxyz<>/_01"]
    tokenizer = T5Tokenizer(vocab=unigram, extra_ids=2)
    assert forged(tokenizer, "a<extra_id_0>") == {4}
    read_special_tokens_as_text(tokenizer)
    assert tokenizer.tokenize("a<extra_id_0> b") == ["▁", "a", "<", *"extra_id_0", ">", "▁", "b"]
    assert not any(forged(tokenizer, text) for text in hostile(tokenizer) if text.isascii() and text.islower())


@pytest.mark.parametrize("pre_tokenizer", [None, WhitespaceSplit()])
@pytest.mark.parametrize("model", [
    WordLevel({"[UNK]": 0, "[EOS]": 1, "a": 2, "b": 3}, unk_token="[UNK]"),
    BPE({"[": 0, "E": 1, "O": 2, "S": 3, "]": 4, "a": 5, "[E": 6, "OS": 7, "OS]": 8, "[EOS]": 9, "[UNK]": 10},
        [("[", "E"), ("O", "S"), ("OS", "]"), ("[E", "OS]")], unk_token="[UNK]")], ids=["words", "merges"])
def test_models_that_make_a_special_token_of_its_letters(model, pre_tokenizer):
    backend = Tokenizer(model)
    if pre_tokenizer:
        backend.pre_tokenizer = pre_tokenizer
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="[EOS]", unk_token="[UNK]")
    eos = tokenizer.eos_token_id
    assert eos in tokenizer("[EOS]", split_special_tokens=True)["input_ids"]
    read_special_tokens_as_text(tokenizer)
    before = backend.to_str()
    read_special_tokens_as_text(tokenizer)
    assert backend.to_str() == before
    assert not any(eos in tokenizer(text)["input_ids"] for text in hostile(tokenizer))
