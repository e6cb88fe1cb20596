"""A pretrained model's tokenizer, from whatever files its folder has, giving what the model takes."""

import inspect
import os
from pathlib import Path

import transformers
from transformers import AutoTokenizer

from utils.errors import UserError
from utils.model.trust import HERE_ONLY

#: families with a table of segments that their config does not count
_SEGMENTED = ("funnel", "xlnet")


def load_tokenizer(asked: str, path: str) -> transformers.PreTrainedTokenizerFast:
    """Return the fast tokenizer of a model's folder, padding on the right.

    A folder without tokenizer.json has it made of what it has: SentencePiece's file, vocab.txt, vocab.json and
    merges.txt. Raises: UserError when there is none, or what is made is not whole.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **HERE_ONLY)
    except ValueError as error:
        if "backend tokenizer" not in str(error):
            raise
        raise UserError(f"{asked}: transformers cannot say which tokenizer its files are; add its tokenizer.json, "
                        "which the class itself writes: for UMT5, say, "
                        "transformers.T5Tokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)") from error
    # transformers 5 answers a folder without tokenizer files with a tokenizer of special tokens only
    words = set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens) - {"▁"}
    if not any(not word.startswith("<extra_id_") for word in words):
        raise UserError(f"{asked}: it has no tokenizer; add its tokenizer.json")
    if not tokenizer.is_fast:
        raise UserError(f"{asked}: its {type(tokenizer).__name__} is not a fast tokenizer, and transformers converts "
                        "none of its kind; add a tokenizer.json, or give a model of another family")
    if os.path.isdir(path) and not os.path.isfile(Path(path) / "tokenizer.json"):
        _check_made(asked, tokenizer)
    tokenizer.padding_side = "right"
    return tokenizer


def _check_made(asked: str, tokenizer: transformers.PreTrainedTokenizerFast) -> None:
    """Raise UserError if a tokenizer made of other files takes unknown letters for a mark, or sets no marks at all."""
    unknown = set(tokenizer("\U0010fffd", add_special_tokens=False)["input_ids"]) & set(tokenizer.all_special_ids)
    if unknown - {tokenizer.unk_token_id} or (tokenizer.cls_token and not tokenizer.num_special_tokens_to_add()):
        raise UserError(f"{asked}: the {type(tokenizer).__name__} that transformers makes of its files is not right "
                        "(unknown letters, or the marks around a text); add its tokenizer.json")


def fit_tokenizer(asked: str, model: transformers.PreTrainedModel, tokenizer: transformers.PreTrainedTokenizerFast
                  ) -> None:
    """Make the tokenizer give what the model takes: segment ids or none.

    Raises: UserError when the tokenizer has ids that the model has not.
    """
    try:
        rows = model.get_input_embeddings().num_embeddings
    except (NotImplementedError, AttributeError) as error:  # CANINE hashes letters, I-BERT quantises
        raise UserError(f"{asked}: a {model.config.model_type} model has no table of token embeddings; give a model "
                        "of another family") from error
    if max(tokenizer.get_vocab().values()) >= rows:
        raise UserError(f"{asked}: its tokenizer has more tokens than the model has embeddings")
    # DistilBERT's tokenizer gives segment ids the model has no place for, ALBERT's gives none though it has; GPT-2
    # would look a BERT tokenizer's up among its words
    inputs = [key for key in tokenizer.model_input_names if key != "token_type_ids"]
    segments = getattr(model.config, "type_vocab_size", 2 * (model.config.model_type in _SEGMENTED)) or 0
    if segments > 1 and "token_type_ids" in inspect.signature(model.forward).parameters:
        inputs.append("token_type_ids")
    tokenizer.model_input_names = tokenizer.init_kwargs["model_input_names"] = inputs
