"""Random BERTs of any size and rows of any length, made here: nothing is downloaded.

A row's label is in the word that its first half repeats, so that a model learns it in a few steps; its length in
tokens is given.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

import preprocess.common as preprocess
from utils.data.table import write_table

SPECIAL = 3  # tokens of a row beside its words: one before, one between, one after
LONGEST = 250  # tokens of a row like RTE's
VOCABULARY = 30522  # of BERT


@dataclass(frozen=True)
class Size:
    """A BERT: its name, width and layers."""

    name: str
    hidden: int
    layers: int
    vocabulary: int = VOCABULARY

    def flops(self, lengths: np.ndarray) -> float:
        """Return the operations of a forward pass over rows of these `lengths`: its products, a sum and a product each.

        A layer's linear parts have 12 hidden² weights; attention's two products are of length² · hidden.
        """
        tokens = lengths.astype(np.float64)
        return float(self.layers * (24 * self.hidden ** 2 * tokens + 4 * self.hidden * tokens ** 2).sum())


BASE, LARGE = Size("bert-base", 768, 12), Size("bert-large", 1024, 24)
SMALL = Size("small", 128, 2, vocabulary=0)  # for correctness: a run is all start
TINY = Size("tiny", 32, 1, vocabulary=0)  # for a rehearsal


def write_model(folder: Path, size: Size, dropout: float = 0.1, weights: bool = True) -> Path:
    """Write a random BERT with its tokenizer; return `folder`. Without `weights` it is for `--random_init` alone."""
    from tests.tiny import tiny_tokenizer

    tokenizer = tiny_tokenizer("bert")
    labels = dict(enumerate(preprocess.load("rte").SPEC.labels))
    config = BertConfig(
        vocab_size=max(size.vocabulary, len(tokenizer)), hidden_size=size.hidden, num_hidden_layers=size.layers,
        num_attention_heads=max(2, size.hidden // 64), intermediate_size=4 * size.hidden,
        pad_token_id=tokenizer.pad_token_id, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
        id2label=labels, label2id={label: number for number, label in labels.items()},
        architectures=["BertForSequenceClassification"])
    if weights:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            BertForSequenceClassification(config).save_pretrained(folder)
    else:
        config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_rows(data_dir: Path, tokenizer: PreTrainedTokenizerFast, train: np.ndarray, test: np.ndarray) -> Path:
    """Write data_dir/rte with rows of these lengths (int [rows], tokens); return `data_dir`."""
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha() and word.islower())
    rng = np.random.default_rng(0)

    def rows(lengths: np.ndarray) -> list[dict]:
        made = []
        for k, length in enumerate(lengths):
            drawn = rng.choice(words[2:], int(length) - SPECIAL - 1).tolist()
            first = len(drawn) // 2
            made.append({"sentence1": " ".join([words[k % 2]] * (1 + first)), "sentence2": " ".join(drawn[first:]),
                         "label": k % 2, "domain": "all"})
        return made

    spec = preprocess.load("rte").SPEC
    write_table(data_dir / "rte", spec, {"train": rows(train), "dev": rows(test)}, "made up")
    return data_dir


def like_rte(n: int, seed: int = 0) -> np.ndarray:
    """Return n lengths in tokens, int64: half of them below 60, with a long tail up to LONGEST."""
    drawn = np.random.default_rng(seed).lognormal(np.log(60), 0.55, n)
    return np.clip(drawn, 12, LONGEST).astype(np.int64)
