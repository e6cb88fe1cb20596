"""A model's linear layers by oneDNN, in float32 and on the CPU: the same sums in another order, for `--fp32_products`.

On some chips they are twice as fast as by torch's default library (MKL on an AMD one): benchmarks/arithmetic.py.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from transformers.pytorch_utils import Conv1D

from utils.machine.onednn import check_onednn, product


@contextmanager
def linear_layers_by(library: str, model: torch.nn.Module) -> Iterator[None]:
    """Let `library` (torch or onednn) make the float32 products of the linear layers of `model` inside the `with`.

    Of all families' layers, and of their gradients; products of other modules, as attention's, stay torch's. Raises
    UserError for onednn that this torch lacks.
    """
    kinds = (torch.nn.Linear, Conv1D) if library == "onednn" else ()
    if kinds:
        check_onednn()  # the machine that has chosen it may be another
    layers = [module for module in model.modules() if type(module) in kinds]
    try:
        for layer in layers:
            layer.forward = partial(_forward, layer)
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)


def _forward(layer: torch.nn.Linear | Conv1D, x: torch.Tensor) -> torch.Tensor:
    weight = layer.weight.mT if isinstance(layer, Conv1D) else layer.weight
    if not x.numel():  # an expert that no token is for: its gradient's product has no terms
        return torch.nn.functional.linear(x, weight, layer.bias)
    return Linear.apply(x, weight, layer.bias)


class Linear(torch.autograd.Function):
    """x weightᵀ + bias, three products of oneDNN with its gradients."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """`x` [..., in], `weight` [out, in], `bias` [out] or None, all float32. Returns [..., out]."""
        x = x.contiguous()
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        rows, gradient = x.view(-1, x.shape[-1]), gradient.contiguous().view(-1, gradient.shape[-1])
        return (product(gradient, weight.mT).view_as(x) if of_x else None,
                product(gradient.mT, rows.mT) if of_weight else None,
                gradient.sum(0) if of_bias else None)
