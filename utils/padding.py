"""Whether a row's result is the row's own, whatever else is in its batch: tried on two rows, for any family."""

import numpy as np
import torch
import transformers

from utils.errors import UserError
from utils.heads import Head, make_head
from utils.task import TaskSpec
from utils.tokens import Tokens, unchanged

_TEXTS = ("a", "a row that is longer than the other one, so that the shorter of the two is padded beside it")
_TOLERANCE = 1e-3  # of the largest score: rounding moves it by 1e-6, a token of padding that is read by a hundredth


def settle_padding(asked: str, model: transformers.PreTrainedModel, tokenizer: transformers.PreTrainedTokenizerFast,
                   spec: TaskSpec, text_to_text: bool) -> None:
    """Set the side on which the tokenizer pads to one where no row's scores depend on the batch: right, or left.

    XLNet reads its answer off the last position, so it pads on the left. `model` is in evaluation mode on the CPU.

    Raises: UserError when neither side does (FNet, ConvBERT: they mix padding into the text), and when the model
    does not take a text's token ids alone (LayoutLM's kin want places on a page).
    """
    choices = len(spec.labels) if spec.kind == "multiple_choice" and not text_to_text else 1
    rows = _rows(tokenizer, choices)
    family = model.config.model_type
    for side in ("right", "left"):
        tokenizer.padding_side = side
        head = make_head(spec, tokenizer, text_to_text)
        try:
            alone, beside = (_scores(head, model, rows, np.arange(n)) for n in (1, 2))
        except Exception as error:  # of a forward pass: no common class
            raise UserError(f"{asked}: a {family} model does not take a text's tokens alone "
                            f"({' '.join(str(error).split())[:150]}); give a model of another family") from error
        if not (alone[0] - beside[0]).abs().max() > _TOLERANCE * beside.abs().max():
            return
    raise UserError(f"{asked}: what a {family} model says of a row depends on the padding of its batch, so that its "
                    "results would too; give a model of another family")


def _rows(tokenizer: transformers.PreTrainedTokenizerFast, choices: int) -> Tokens:
    """Return a short row and a long one, with the same text for each choice."""
    with unchanged(tokenizer):
        encoded = [tokenizer(text) for text in _TEXTS for _ in range(choices)]
    types = [np.array(each["token_type_ids"], np.uint8) for each in encoded if "token_type_ids" in each]
    lengths = [len(each["input_ids"]) for each in encoded]
    return Tokens(np.concatenate([np.array(each["input_ids"], np.int32) for each in encoded]),
                  np.concatenate(types) if types else None, np.cumsum([0, *lengths]), choices,
                  np.array(lengths[::choices], np.int32))


@torch.no_grad()
def _scores(head: Head, model: transformers.PreTrainedModel, rows: Tokens, chosen: np.ndarray) -> torch.Tensor:
    return head.scores(model, head.collate(rows, chosen, np.zeros(len(chosen))))
