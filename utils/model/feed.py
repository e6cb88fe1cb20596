"""Which forward pass a model has on its device, and what brings batches there: one place for the CPU and GPUs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from utils.config import RunConfig
from utils.machine.device import staged
from utils.model.compiled import new_step
from utils.model.dropout import Masks
from utils.model.encoder import fast_encoder
from utils.model.linear import linear_layers_by
from utils.model.varlen import varlen_encoder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Feeder = Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]  # a batch on the CPU → on the device


@contextmanager
def feeding(model: "PreTrainedModel", device: torch.device, config: RunConfig, precision: str,
            masks: Masks | None = None) -> Iterator[Feeder]:
    """Let `model` compute as it is fastest on `device` inside the `with`; yield what brings each batch to it.

    On the CPU encoders are packed, with dropout from `masks` in training, and linear layers in float32 are made by the
    library of `--fp32_products`; on a GPU large batches are packed. A model of `--compile` keeps the forward pass that
    was compiled. `precision` is that of its products, "fp32" or "bf16".
    """
    if config.compile:
        def begin(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            new_step(device)
            return staged(batch, device)

        yield begin
    elif device.type == "cpu":
        library = config.fp32_products if precision == "fp32" else "torch"
        with fast_encoder(model, masks), linear_layers_by(library, model):
            yield lambda batch: batch
    else:
        with varlen_encoder(model, device, torch.bfloat16 if precision == "bf16" else torch.float32) as feed:
            yield feed
