"""The encoder that is pre-trained, and what it and a teacher have in common: batches, and a sentence's vector."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from transformers import BertConfig, BertModel, PreTrainedModel, PreTrainedTokenizerFast

from pretraining.flags import PER_HEAD, PretrainFlags
from utils.data.tokens import Tokens
from utils.machine import onednn
from utils.model.heads import Head
from utils.model.linear import linear_layers_by
from utils.seeds import torch_seed

Batch = dict[str, torch.Tensor]


def new_student(flags: PretrainFlags, tokenizer: PreTrainedTokenizerFast) -> BertModel:
    """Return a BERT (Devlin et al. 2019) with random weights of the seed: float32, in evaluation mode.

    Its feed-forward layers are four times its width; it can read `--max_length` tokens, of two segments.
    """
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=flags.hidden, num_hidden_layers=flags.layers,
        num_attention_heads=flags.hidden // PER_HEAD, intermediate_size=4 * flags.hidden,
        max_position_embeddings=flags.max_length, pad_token_id=tokenizer.pad_token_id)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(flags.seed, "pretraining model"))
        return BertModel(config).eval()


def sizes(student: PreTrainedModel) -> tuple[int, int]:
    """Return the parameters of a model in all, and without its embeddings."""
    n_all = sum(parameter.numel() for parameter in student.parameters())
    return n_all, n_all - sum(parameter.numel() for parameter in student.embeddings.parameters())


def batch_of(tokenizer: PreTrainedTokenizerFast, tokens: Tokens, texts: np.ndarray) -> Batch:
    """Return `input_ids` and `attention_mask` of some texts, int64 [texts, longest]."""
    batch = Head(tokenizer).collate(tokens, texts, texts)
    return {name: batch[name] for name in ("input_ids", "attention_mask")}


def mean_pooled(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Return the mean over real tokens of `hidden` [texts, longest, width]: [texts, width]."""
    weights = (attention_mask / attention_mask.sum(1, keepdim=True)).to(hidden.dtype)
    return torch.bmm(weights[:, None], hidden)[:, 0]


@contextmanager
def arithmetic(threads: int, *modules: torch.nn.Module) -> Iterator[None]:
    """Compute on `threads` threads inside the `with`, by oneDNN where this torch has it (twice MKL's rate on AMD)."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    both = torch.nn.ModuleList(modules)
    try:
        with linear_layers_by("onednn" if onednn.is_here() else "torch", both):
            yield
    finally:
        torch.set_num_threads(before)
