"""Tokenizers from whatever files a folder has: tokenizer.json, SentencePiece's model, vocab.txt, vocab.json."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import sentencepiece
from transformers import AutoConfig, AutoTokenizer, T5Tokenizer

from tests.loading import edit, loaded, refused
from tests.tiny import RTE, sentences, tiny_tokenizer

_BERT_PIECES = {"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1, "control_symbols": "[CLS],[SEP],[MASK]"}
_T5_PIECES = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
_FAIRSEQ_PIECES = {"unk_id": 0, "bos_id": 1, "eos_id": 2}
TEXTS = [*sentences(4), "it's 3.14, or 2; not (here)!", "unknown: 漢字 here"]
CONFIGS = {  # of families that tests/tiny.py has not
    "camembert": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
    "mbart": {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
              "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
              "max_position_embeddings": 64},
    "big_bird": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
    "xlnet": {"d_model": 32, "n_layer": 1, "n_head": 2, "d_inner": 64},
    "llama": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
    "rembert": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64,
                "input_embedding_size": 16},
}


@dataclass
class Pieces:
    """A family's SentencePiece file and how its ids become the model's."""

    file: str
    options: dict
    #: added to an ordinary piece's id
    shift: int = 0
    lower: bool = False


FAMILIES = {
    "t5": Pieces("spiece.model", _T5_PIECES),
    "mt5": Pieces("spiece.model", _T5_PIECES),
    "albert": Pieces("spiece.model", _BERT_PIECES, lower=True),
    "deberta-v2": Pieces("spm.model", {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "pad_piece": "[PAD]",
                                       "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}),
    "xlm-roberta": Pieces("sentencepiece.bpe.model", _FAIRSEQ_PIECES, 1),
    "camembert": Pieces("sentencepiece.bpe.model", _FAIRSEQ_PIECES, 4),
    "mbart": Pieces("sentencepiece.bpe.model", _FAIRSEQ_PIECES, 1),
    "big_bird": Pieces("spiece.model", {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3,
                                        "control_symbols": "[MASK],[SEP],[CLS]"}),
    "xlnet": Pieces("spiece.model", {**_FAIRSEQ_PIECES, "control_symbols": "<cls>,<sep>,<pad>,<mask>,<eod>,<eop>"}),
    "llama": Pieces("tokenizer.model", {**_FAIRSEQ_PIECES, "model_type": "bpe", "byte_fallback": True,
                                        "vocab_size": 600}),
}


def learnt(folder: Path, pieces: Pieces) -> sentencepiece.SentencePieceProcessor:
    """Write a real SentencePiece file into the folder; return its own processor."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(text.lower() if pieces.lower else text for text in sentences()), model_writer=model,
        num_threads=1, minloglevel=2, **({"vocab_size": 400} | pieces.options))
    (folder / pieces.file).write_bytes(model.getvalue())
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def with_config(family: str, folder: Path, tiny) -> Path:
    """Write the family's config.json alone, with room for the tokens."""
    if family in CONFIGS:
        AutoConfig.for_model(family, vocab_size=800, **CONFIGS[family]).save_pretrained(folder)
    else:
        (folder / "config.json").write_bytes((tiny(family) / "config.json").read_bytes())
        edit(folder, vocab_size=800)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sentencepiece_file_becomes_the_tokenizer_it_is(tiny, tmp_path, family):
    pieces, folder = FAMILIES[family], with_config(family, tmp_path, tiny)
    own = learnt(folder, pieces)
    _, tokenizer = loaded(folder, RTE, max_length=32, random_init=True)
    for text in TEXTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        expected = own.encode(text.lower() if pieces.lower else text)
        assert ids == [tokenizer.unk_token_id if i == own.unk_id() else i + pieces.shift for i in expected], text
    marks = tokenizer(TEXTS[0])["input_ids"]
    assert family == "llama" or set(marks) & set(tokenizer.all_special_ids)
    tokenizer.save_pretrained(tmp_path / "again")
    assert AutoTokenizer.from_pretrained(tmp_path / "again")(TEXTS)["input_ids"] == tokenizer(TEXTS)["input_ids"]


def test_a_conversion_that_is_not_right_is_refused(tiny, tmp_path):
    """Transformers gives RemBERT's unknown letters the id of [CLS], and its texts no marks."""
    folder = with_config("rembert", tmp_path, tiny)
    learnt(folder, Pieces("sentencepiece.model", _BERT_PIECES))
    message = refused(folder, random_init=True)
    assert "the RemBertTokenizer that transformers makes of its files is not right" in message
    assert message.endswith("add its tokenizer.json")


def test_files_of_no_known_tokenizer_say_how_to_make_one(tiny, tmp_path):
    """Transformers looks for no SentencePiece file of UMT5."""
    folder = edit(with_config("mt5", tmp_path, tiny), model_type="umt5")
    learnt(folder, FAMILIES["mt5"])
    assert "transformers.T5Tokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)" in refused(
        folder, random_init=True)
    T5Tokenizer.from_pretrained(folder).save_pretrained(folder)
    loaded(folder, RTE, max_length=32, random_init=True)


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2"])
def test_vocabulary_files_become_the_tokenizer_they_are(copied, family):
    folder, tokenizer = copied(family, "tokenizer.json", "tokenizer_config.json"), tiny_tokenizer(family)
    learned = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if family == "bert":
        (folder / "vocab.txt").write_text("\n".join(sorted(learned["vocab"], key=learned["vocab"].get)) + "\n")
    else:
        (folder / "vocab.json").write_text(json.dumps(learned["vocab"]))
        (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(map(" ".join, learned["merges"])) + "\n")
    _, made = loaded(folder, RTE, max_length=32)
    for text in TEXTS:
        assert made(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert made(text, "and more")["input_ids"] == tokenizer(text, "and more")["input_ids"]


def test_a_tokenizer_without_a_fast_form_is_refused(copied):
    folder = copied("bert", "tokenizer.json", "tokenizer_config.json")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CTRLTokenizer"}')
    (folder / "vocab.json").write_text(json.dumps({"a</w>": 0, "b</w>": 1, "<unk>": 2}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    assert "its CTRLTokenizer is not a fast tokenizer" in refused(folder)


def test_a_folder_without_tokenizer_is_refused(copied):
    for family in ("bert", "roberta", "t5", "gpt2", "albert", "deberta-v2"):
        folder = copied(family, "tokenizer.json", "tokenizer_config.json")
        assert "tokenizer" in refused(folder)


def test_a_tokenizer_larger_than_the_model_is_refused(copied):
    folder = copied("bert")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["brandnew"])
    tokenizer.save_pretrained(folder)
    assert "more tokens" in refused(folder)
