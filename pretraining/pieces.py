"""Word pieces learnt from text, and texts as their ids."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from utils.data.tokens import Tokens

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROWS_AT_ONCE = 1000


def train_tokenizer(texts: Sequence[str], vocab: int, max_length: int) -> PreTrainedTokenizerFast:
    """Return a tokenizer of at most `vocab` word pieces (Devlin et al. 2019: BERT's, uncased) learnt from `texts`.

    The same texts give the same pieces in any process. The library's own order of a word's inner letters is that of
    a hash table with a random key, and so are the ids that break ties between pairs; here the letters are given, in
    order. The commonest ones take a quarter of the pieces as beginnings and one as inner letters at most; a word with
    another letter is unknown.
    """
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    words = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    letters: Counter[str] = Counter()
    for word, count in words.items():
        for letter in word:
            letters[letter] += count
    common = sorted(letters, key=lambda letter: (-letters[letter], letter))[:(vocab - len(SPECIAL)) // 4]
    alphabet = sorted(common)
    learnt = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learnt.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learnt.train_from_iterator(
        (" ".join([word] * words[word]) for word in sorted(words) if {*alphabet}.issuperset(word)),
        trainers.WordPieceTrainer(vocab_size=vocab, initial_alphabet=alphabet, show_progress=False,
                                  special_tokens=[*SPECIAL, *(f"##{letter}" for letter in alphabet)]))
    pieces = learnt.get_vocab()
    backend = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer, backend.decoder = normalizer, splitter, decoders.WordPiece()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, pieces[token]) for token in ("[CLS]", "[SEP]")])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=max_length, clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"])


def tokenised(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, max_length: int) -> Tokens:
    """Return the ids of `texts`, special tokens included, each text cut after `max_length`; one segment."""
    ids: list[np.ndarray] = []
    for start in range(0, len(texts), ROWS_AT_ONCE):
        encoded = tokenizer([*texts[start:start + ROWS_AT_ONCE]], truncation=True, max_length=max_length,
                            return_attention_mask=False, return_token_type_ids=False)
        ids += [np.array(sequence, np.int32) for sequence in encoded["input_ids"]]
    lengths = np.array([*map(len, ids)], np.int32)
    return Tokens(np.concatenate(ids), None, np.cumsum([0, *lengths], dtype=np.int64), 1, lengths)
