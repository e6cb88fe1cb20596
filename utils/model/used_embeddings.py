"""Train the embeddings of the tokens that a shard holds, and leave the other rows of the table alone.

Exact, not a short cut: a row whose token never comes has a zero gradient, and AdamW with zero moments and no weight
decay moves it by nothing. Half of MiniLM's parameters are such a table, and a small shard holds a tenth of its tokens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def embedding_table(model: "PreTrainedModel") -> torch.nn.Embedding | None:
    """Return the model's table of token embeddings; None where anything but one lookup per batch reads it."""
    table = model.get_input_embeddings()
    users = [module for module in model.modules() for p in module.parameters(recurse=False) if p is table.weight]
    return table if users == [table] and type(table) is torch.nn.Embedding else None


@contextmanager
def used_embeddings(table: torch.nn.Embedding, ids: np.ndarray) -> Iterator[torch.nn.Parameter]:
    """Let `table` look its rows up in a small table of the tokens `ids` (int, each once) inside the `with`.

    Gives that table's weights, float32 [len(ids), hidden], on the CPU, without gradients yet; what they have become
    is written back at the end. A token that is not in `ids` is an IndexError.
    """
    whole, rows = table.weight.data, torch.from_numpy(ids.astype(np.int64))
    weight = torch.nn.Parameter(whole[rows])
    place = torch.full((len(whole),), -1)
    place[rows] = torch.arange(len(rows))
    padding = None if table.padding_idx is None or place[table.padding_idx] < 0 else int(place[table.padding_idx])
    table.forward = partial(_look_up, weight, place, padding)  # type: ignore[method-assign]  # for a while
    try:
        yield weight
    finally:
        del table.forward
        whole[rows] = weight.data


def _look_up(weight: torch.nn.Parameter, place: torch.Tensor, padding: int | None, ids: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.embedding(place[ids], weight, padding_idx=padding)
