"""A client's adapters where those of other clients may have another rank (`--lora_r 4,8`)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import PreTrainedModel

from strategies import Strategy
from utils.model.adapted import NAME


@contextmanager
def of_own_rank(model: PreTrainedModel, method: Strategy, client: int) -> Iterator[None]:
    """Let the adapters of `model` be of the client's rank, and count as they do at it, inside the `with`.

    The rows of A and the columns of B beyond it are zero, so that their gradients are, too: they stay so.
    """
    layers = [module for module in model.modules() if hasattr(module, "lora_A")] if method.mixes_ranks else []
    before = [layer.scaling[NAME] for layer in layers]
    with torch.no_grad():
        for layer in layers:
            rank = method.trained.rank(client)
            layer.lora_A[NAME].weight[rank:] = 0
            layer.lora_B[NAME].weight[:, rank:] = 0
            layer.scaling[NAME] = method.trained.scale(client)
    try:
        yield
    finally:
        for layer, usual in zip(layers, before):
            layer.scaling[NAME] = usual
