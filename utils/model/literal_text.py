"""Rows are text: what reads like a special token in one ("</s>", "[MASK]") is read as letters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast


def read_special_tokens_as_text(tokenizer: PreTrainedTokenizerFast) -> None:
    """Make the tokenizer split special tokens that a text spells, in place; other texts keep their ids.

    `split_special_tokens` of transformers, which is saved with the tokenizer, looks for no special token in a text.
    That is enough unless a special token reaches the tokenizer's model in one piece: a Unigram model (T5, XLM-R,
    ALBERT, DeBERTa) has it in its vocabulary, as the likeliest piece of all. There its first letter is cut off
    beforehand. transformers does not read that back for those families, so it is done at each load.
    """
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Sequence, Split

    backend = tokenizer.backend_tokenizer
    tokenizer.split_special_tokens = tokenizer.init_kwargs["split_special_tokens"] = True
    backend.encode_special_tokens = True
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    whole = sorted(word for word in special.union(tokenizer.all_special_tokens)
                   if len(word) > 1 and any(word in piece for piece in _pieces(backend, word)))
    if whole:
        first_letters = "|".join(f"{re.escape(word[0])}(?={re.escape(word[1:])})" for word in whole)
        cut = Split(Regex(first_letters), "isolated")
        backend.pre_tokenizer = Sequence([backend.pre_tokenizer, cut]) if backend.pre_tokenizer else cut


def _pieces(backend: Tokenizer, text: str) -> list[str]:
    """Return what the tokenizer's model is given of a text."""
    if backend.normalizer:
        text = backend.normalizer.normalize_str(text)
    return [piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str(text)] if backend.pre_tokenizer else [text]
