"""Word pieces: the same ones in any process, as many as asked or as the text gives, and unknown what is unknown."""

import subprocess
import sys

import pytest
from transformers import AutoTokenizer

from pretraining.pieces import SPECIAL, tokenised, train_tokenizer
from tests.conftest import ROOT
from tests.toy import toy_rows

TEXTS = [row["sentence1"] + " Ω" * (k == 0) for k, row in enumerate(toy_rows(40, 1))]
CODE = """
from pretraining.pieces import train_tokenizer
from tests.pretraining.test_pieces import TEXTS
print(train_tokenizer(TEXTS, 150, 16).backend_tokenizer.to_str())
"""


def test_two_processes_learn_the_same_pieces():
    """The library's hash tables have another key in each process, and its own letters' ids are by their order."""
    found = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert found == train_tokenizer(TEXTS, 150, 16).backend_tokenizer.to_str() + "\n"


@pytest.mark.parametrize("vocab", [100, 110, 10**4])
def test_pieces_are_bounded_and_load_elsewhere(vocab, tmp_path):
    tokenizer = train_tokenizer(TEXTS, vocab, 16)
    pieces = tokenizer.get_vocab()
    assert len(pieces) <= vocab and sorted(pieces.values()) == [*range(len(pieces))]
    assert [token for token, _ in sorted(pieces.items(), key=lambda item: item[1])][:5] == [*SPECIAL]
    tokenizer.save_pretrained(tmp_path)
    loaded, pair = AutoTokenizer.from_pretrained(tmp_path), ("river Stone", "∞ doctor")
    assert loaded(*pair) == tokenizer(*pair)
    assert loaded.decode(loaded(*pair)["input_ids"]) == "[CLS] river stone [SEP] [UNK] doctor [SEP]"
    assert loaded(*pair)["token_type_ids"][-1] == 1


def test_texts_are_cut_with_their_marks_kept():
    tokenizer = train_tokenizer(TEXTS, 150, 8)
    tokens = tokenised(["river " * 50, "stone"], tokenizer, 8)
    first, second = (tokens.sequences(row)[0] for row in range(2))
    assert len(first) == 8 == tokens.lengths[0] and len(second) < 8
    assert {first[0], second[0]} == {tokenizer.cls_token_id} and {first[-1], second[-1]} == {tokenizer.sep_token_id}
