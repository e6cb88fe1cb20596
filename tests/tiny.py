"""Tiny random models of every family, each with a real tokenizer of that family's kind, made with no network.

The folders load with `AutoConfig`, `AutoTokenizer` and `AutoModel…from_pretrained` as a hub model's do: the
body's weights are there and the task's head is not. The tokenizers are trained on the English prose of
Python's own `pydoc_data.topics`, which every interpreter carries. Beside them: real rows of three tasks.
"""

import csv
import io
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from pydoc_data.topics import topics

import pyarrow as pa
import pytest
import sentencepiece
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordPiece
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer, WordPieceTrainer
from transformers import (
    AlbertTokenizer,
    AutoConfig,
    AutoModel,
    AutoModelForSeq2SeqLM,
    BertTokenizer,
    DebertaV2Tokenizer,
    GPT2Tokenizer,
    RobertaTokenizer,
    T5Tokenizer,
    XLMRobertaTokenizer,
)

from utils.data.task import TaskSpec
from utils.model.tied import untie

FAMILIES = ("bert", "distilbert", "electra", "albert", "roberta", "xlm-roberta", "deberta-v2", "bart", "gpt2",
            "t5", "mt5")
MULTIPLE_CHOICE = ("bert", "distilbert", "electra", "albert", "roberta", "xlm-roberta", "deberta-v2")
TEXT_TO_TEXT = ("bart", "t5", "mt5")
POSITIONS = 512  # usable positions of every tiny model that has a limit
VOCABULARY = 800  # at most; ids

_BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_TOKENIZERS = {  # family: (class, its special tokens in id order)
    "bert": (BertTokenizer, _BERT),
    "distilbert": (BertTokenizer, _BERT),
    "electra": (BertTokenizer, _BERT),
    "albert": (AlbertTokenizer, ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")),
    "roberta": (RobertaTokenizer, ("<s>", "<pad>", "</s>", "<unk>", "<mask>")),
    "xlm-roberta": (XLMRobertaTokenizer, ("<s>", "<pad>", "</s>", "<unk>", "<mask>")),
    "deberta-v2": (DebertaV2Tokenizer, ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")),
    "bart": (RobertaTokenizer, ("<s>", "<pad>", "</s>", "<unk>", "<mask>")),
    "gpt2": (GPT2Tokenizer, ("<|endoftext|>",)),
    "t5": (T5Tokenizer, ("<pad>", "</s>", "<unk>")),
    "mt5": (T5Tokenizer, ("<pad>", "</s>", "<unk>")),
}

_ENCODER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
            "max_position_embeddings": POSITIONS, "initializer_range": 0.1}
_T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 2,
       "decoder_start_token_id": 0}
_CONFIGS = {
    "bert": _ENCODER,
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "initializer_range": 0.1,
                   "max_position_embeddings": POSITIONS},
    "electra": {**_ENCODER, "embedding_size": 16},
    "albert": {**_ENCODER, "embedding_size": 16},
    # these two count positions from pad_token_id + 1
    "roberta": {**_ENCODER, "max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1},
    "xlm-roberta": {**_ENCODER, "max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1},
    # as DeBERTa-v3 has it
    "deberta-v2": {**_ENCODER, "relative_attention": True, "position_biased_input": False,
                   "position_buckets": 256, "pos_att_type": ["p2c", "c2p"], "norm_rel_ebd": "layer_norm",
                   "share_att_key": True,
                   "max_relative_positions": -1, "type_vocab_size": 0},
    "bart": {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
             "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
             "max_position_embeddings": POSITIONS, "init_std": 0.1, "decoder_start_token_id": 2,
             "forced_eos_token_id": 2},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": POSITIONS, "initializer_range": 0.1},
    "t5": _T5,
    "mt5": {**_T5, "feed_forward_proj": "gated-gelu"},
}


def sentences(n: int = 400) -> list[str]:
    """Return n sentences of real English (about Python), the same on every call."""
    prose = " ".join(topics[name] for name in sorted(topics))
    found = re.findall(r"[A-Z][^.`*|]{30,200}\.(?=\s)", prose)
    return [" ".join(sentence.split()) for sentence in found[:n]]


def tiny_tokenizer(family: str):
    """Return the family's own tokenizer class over at most VOCABULARY ids learnt from `sentences`."""
    cls, specials = _TOKENIZERS[family]
    if cls.model not in (BPE, WordPiece):
        return cls(vocab=_unigram(specials), **({"extra_ids": 0} if cls is T5Tokenizer else {}))
    empty = cls().backend_tokenizer  # it has the family's normaliser and pre-tokeniser
    common = {"vocab_size": VOCABULARY, "special_tokens": list(specials), "show_progress": False}
    if cls.model is WordPiece:
        # fixes the ids of the inner letters, which the trainer numbers differently in each process
        common["special_tokens"] += ["##" + letter for letter in map(chr, range(33, 127))]
        learner, trainer = Tokenizer(WordPiece(unk_token="[UNK]")), WordPieceTrainer(**common)
        learner.normalizer = empty.normalizer
    else:
        learner, trainer = Tokenizer(BPE()), BpeTrainer(initial_alphabet=ByteLevel.alphabet(), **common)
    learner.pre_tokenizer = empty.pre_tokenizer
    learner.train_from_iterator(sentences(), trainer)
    learnt = json.loads(learner.to_str())["model"]
    merges = {"merges": [tuple(pair) for pair in learnt["merges"]]} if cls.model is BPE else {}
    return cls(vocab=learnt["vocab"], **merges)


def _unigram(specials: tuple[str, ...]) -> list[tuple[str, float]]:
    """Return (piece, log-probability) of a Unigram vocabulary, special tokens first (with 0).

    SentencePiece learns it: the `tokenizers` trainer's result changes from process to process.
    """
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences()), model_writer=model, vocab_size=VOCABULARY - len(specials),
        model_type="unigram", bos_id=-1, eos_id=-1, num_threads=1, minloglevel=2,
        required_chars="0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'?!,.:;()-/",
    )
    learnt = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [(learnt.id_to_piece(i), learnt.get_score(i))
              for i in range(len(learnt)) if not learnt.is_unknown(i)]
    return [(token, 0.0) for token in specials] + pieces


def tiny_model_folder(family: str, folder: Path) -> Path:
    """Write a tiny random model of one of FAMILIES and its tokenizer into `folder`; return it.

    hidden size 32, 2 layers, 2 heads, float32, safetensors; the weights are the same on every call.
    """
    tokenizer = tiny_tokenizer(family)
    special = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    config = AutoConfig.for_model(family, vocab_size=len(tokenizer), **_CONFIGS[family],
                                  **{name: i for name, i in special.items() if i is not None})
    build = AutoModelForSeq2SeqLM if family in ("t5", "mt5") else AutoModel
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build.from_config(config, dtype=torch.float32)
        if family == "mt5":  # its checkpoints have an output layer of their own, whatever its configuration says
            untie(model, ["lm_head.weight"])
            torch.nn.init.normal_(model.lm_head.weight)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)


def tiny_once(base: Path, family: str) -> Path:
    """Return the family's folder under `base`, made on the first call; a test session shares one base."""
    folder = Path(base) / "tiny" / family
    return folder if folder.exists() else tiny_model_folder(family, folder)


LETTERS = tuple("ABCDEFGH")
RTE = TaskSpec(
    name="rte", kind="classification", text=("sentence1", "sentence2"),
    labels=("entailment", "not_entailment"), metrics=("accuracy",),
    prompt="rte sentence1: {sentence1} sentence2: {sentence2}", label_words=("yes", "no way"),
)
STSB = replace(RTE, name="stsb", kind="regression", labels=(), metrics=("pearson",),
               label_words=tuple(f"{step / 5:.1f}" for step in range(26)))
QASC = TaskSpec(
    name="qasc", kind="multiple_choice", text=("question",), labels=LETTERS, metrics=("accuracy",),
    prompt="qasc question: {question} choices: {choices}", label_words=LETTERS,
)


@dataclass(frozen=True)
class StubTable:
    """What the token cache needs of a utils.data.table table: the same rows for every split."""

    spec: TaskSpec
    table: pa.Table
    fingerprint: str = "f"

    def split(self, name: str) -> pa.Table:
        return self.table

    def rows(self, name: str) -> int:
        return self.table.num_rows


def real_rows(spec: TaskSpec, n: int) -> pa.Table:
    """Return the first n dev rows of RTE, STSB or QASC as a Parquet table has them; skip without the data."""
    data = Path(__file__).resolve().parents[2] / "shared" / "data"
    files = {"rte": "glue/RTE/dev.tsv", "stsb": "glue/STS-B/dev.tsv", "qasc": "qasc/dev.jsonl"}
    path = data / files[spec.name]
    if not path.exists():
        pytest.skip(f"the real rows of {spec.name} are not here: {path}")
    with path.open(encoding="utf-8", newline="") as file:
        if spec is QASC:
            raw = [json.loads(line) for line in file][:n]
            columns = {"question": [row["question"]["stem"] for row in raw],
                       "choices": [[choice["text"] for choice in row["question"]["choices"]] for row in raw],
                       "label": [LETTERS.index(row["answerKey"]) for row in raw]}
        else:
            raw = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[:n]
            columns = {column: [row[column] for row in raw] for column in spec.text}
            columns["label"] = [float(row["score"]) if spec is STSB else spec.labels.index(row["label"])
                                for row in raw]
    return pa.table({"row": list(range(n)), "domain": ["dev"] * n, **columns})


if __name__ == "__main__":  # python -m tests.tiny t5 FOLDER
    import sys

    print(tiny_model_folder(sys.argv[1], Path(sys.argv[2])))
