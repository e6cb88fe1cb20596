"""Whether a row's result is the row's own, whatever else is in its batch: tried on two rows, for any family."""

import numpy as np
import torch
import transformers

from utils.data.inputs import sequences_per_row
from utils.data.task import TaskSpec
from utils.data.tokens import Tokens, unchanged
from utils.errors import UserError, in_short
from utils.model.heads import Head, make_head

_TEXTS = ("a", "a row that is longer than the other one, so that the shorter of the two is padded beside it")
_TOLERANCE = 1e-4  # of the largest score: rounding moves it by 1e-6, padding that is read by a hundredth


def settle_padding(asked: str, model: transformers.PreTrainedModel, tokenizer: transformers.PreTrainedTokenizerFast,
                   spec: TaskSpec, text_to_text: bool) -> None:
    """Set the side on which the tokenizer pads to one where no row's scores depend on the batch: right, or left.

    XLNet reads its answer off the last position, so it pads on the left. `model` is in evaluation mode on the CPU.

    Raises: UserError when neither side does (FNet, ConvBERT: they mix padding into the text), and when the model
    takes no such rows (LayoutLMv3 wants places on a page, Reformer trains on one length only).
    """
    rows, family = _rows(tokenizer, sequences_per_row(spec, text_to_text)), model.config.model_type
    for side in ("right", "left"):
        tokenizer.padding_side = side
        head = make_head(spec, tokenizer, text_to_text)
        try:
            alone, beside = _trial(head, model, rows)
        except Exception as error:  # of a forward pass: no common class
            raise UserError(f"{asked}: its {family} model fails on two rows of text ({in_short(error)}); "
                            "give one that reads token ids alone") from error
        if not (alone - beside).abs().max() > _TOLERANCE * beside.abs().max():
            return
    raise UserError(f"{asked}: what a {family} model says of a row depends on the padding of its batch, so that its "
                    "results would too; give a model of another family")


def _rows(tokenizer: transformers.PreTrainedTokenizerFast, choices: int) -> Tokens:
    """Return a short row and a long one, with the same text for each choice, as long as the tokenizer's rows may be."""
    longest = max(16, tokenizer.model_max_length)
    with unchanged(tokenizer):
        encoded = [tokenizer(text, truncation=True, max_length=longest) for text in _TEXTS for _ in range(choices)]
    types = [np.array(each["token_type_ids"], np.uint8) for each in encoded if "token_type_ids" in each]
    lengths = [len(each["input_ids"]) for each in encoded]
    return Tokens(np.concatenate([np.array(each["input_ids"], np.int32) for each in encoded]),
                  np.concatenate(types) if types else None, np.cumsum([0, *lengths]), choices,
                  np.array(lengths[::choices], np.int32))


@torch.no_grad()
def _trial(head: Head, model: transformers.PreTrainedModel, rows: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the scores of the short row by itself and beside the long one; see that training takes both, too."""
    alone, both = (head.collate(rows, np.arange(n), np.zeros(n)) for n in (1, 2))
    scores = head.scores(model, alone)[0], head.scores(model, both)[0]
    head.loss(model.train(), both)
    model.eval()
    return scores
