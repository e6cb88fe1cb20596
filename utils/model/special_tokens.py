"""One truth on what pads, begins and ends a text: the same ids in a tokenizer, its model's config and beside it."""

import torch
import transformers
from transformers import AutoModel

from utils.console import NOTES
from utils.errors import UserError
from utils.model.model_config import parts

_ROLES = ("pad", "eos", "bos")


def agree(asked: str, config: transformers.PreTrainedConfig, tokenizer: transformers.PreTrainedTokenizerFast) -> None:
    """Give a config, with its parts, and a tokenizer the same pad, end and begin tokens, before the model is made.

    The tokenizer's hold, because they are in the ids that the model reads. Where it has none, the config's special
    token becomes the tokenizer's; the last resort to pad with is end-of-text. A note says what is replaced.

    Raises: UserError when there is nothing to pad with.
    """
    special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    for role in _ROLES:
        key = f"{role}_token_id"
        theirs, ours = getattr(config.get_text_config(), key, None), getattr(tokenizer, key)
        if not isinstance(theirs, int) or theirs == ours or theirs not in special:
            continue
        if ours is None or (role == "pad" and _counts_from_pad(config)):
            setattr(tokenizer, f"{role}_token", tokenizer.convert_ids_to_tokens(theirs))
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise UserError(f"{asked}: its tokenizer has neither a pad nor an end-of-text token")
        tokenizer.pad_token = tokenizer.eos_token
    reading = [part for part in parts(config) if part is config or hasattr(part, "vocab_size")]  # no picture's part
    changed = dict.fromkeys(change for part in reading for change in _share(part, tokenizer))
    if changed:
        NOTES.info("%s: its config.json and its tokenizer differ in special tokens, the tokenizer's are taken: %s",
                   asked, ", ".join(changed))
    if config.is_encoder_decoder and getattr(config, "decoder_start_token_id", None) is None:
        config.decoder_start_token_id = tokenizer.pad_token_id  # as T5's decoder begins


def agree_on_writing(model: transformers.PreTrainedModel, tokenizer: transformers.PreTrainedTokenizerFast) -> None:
    """Give a model that can write text the same tokens in its generation config, which plain transformers reads."""
    generation = getattr(model, "generation_config", None)
    if generation is not None:
        _share(generation, tokenizer)
        if generation.decoder_start_token_id is None:
            generation.decoder_start_token_id = getattr(model.config, "decoder_start_token_id", None)


def _share(config: transformers.PreTrainedConfig | transformers.GenerationConfig,
          tokenizer: transformers.PreTrainedTokenizerFast) -> list[str]:
    """Write the tokenizer's special tokens into one config; return what was replaced, as "pad_token_id 0, not 7"."""
    replaced = []
    for key in (f"{role}_token_id" for role in _ROLES):
        old, new = getattr(config, key, None), getattr(tokenizer, key)
        if old == new or (isinstance(old, list) and new in old):  # a text may end in more than one way
            continue
        if old is not None:
            replaced.append(f"{key} {new}, not {old}")
        setattr(config, key, new)
    return replaced


def _counts_from_pad(config: transformers.PreTrainedConfig) -> bool:
    """Whether the model, as RoBERTa, counts a token's position from the pad token's id: then that is what it is."""
    with torch.device("meta"):
        body = AutoModel.from_config(config)
    return any(name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None
               for name, module in body.named_modules())
