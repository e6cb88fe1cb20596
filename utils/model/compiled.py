"""A model compiled by torch.compile: fewer and larger kernels, and on a GPU recorded as one graph that starts at once.

For small batches on a GPU, which wait for the start of each of a step's thousand kernels.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from utils.machine.compiler import PLACE
from utils.machine.scratch import private_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def compile_forward(model: "PreTrainedModel", device: torch.device, graphs: bool) -> None:
    """Have the forward pass of `model` compiled at its next calls, and the backward pass with it.

    Compiled once for training and once for evaluation, whatever the lengths. With `graphs`, on a GPU, the kernels of
    each shape are recorded as a CUDA graph (torch's CUDA graph trees), whose outputs, gradients among them, are
    overwritten in the next step: so an optimizer's step has one forward pass, and its gradients are dropped before the
    next.

    Dropout is drawn by the compiled code from torch's generator: other masks than the uncompiled model's for the same
    seed. What is compiled goes to a private folder, because torch's own has a name that other users can take first.
    """
    if not os.environ.get(PLACE):
        os.environ[PLACE] = str(own_place()[1])
    import torch._inductor.config as inductor

    # The code of models of one class is the same: what was compiled for others before would count against its limit
    torch._dynamo.reset()
    inductor.compile_threads = 1  # more are processes, which could outlive a killed worker
    options: dict[str, str | int | bool | Callable[..., Any]] = {}
    if device.type == "cuda":
        options["triton.cudagraphs"] = graphs
        if torch.are_deterministic_algorithms_enabled() and hasattr(inductor, "deterministic"):
            options["deterministic"] = True  # no kernel is chosen by the clock
    model.forward = torch.compile(type(model).forward.__get__(model), dynamic=True, options=options or None)


@cache
def own_place() -> tuple[ExitStack, Path]:
    """Return this process's private folder, and what holds it until the process ends; then the next run removes it."""
    stack = ExitStack()
    return stack, stack.enter_context(private_folder())


def new_step(device: torch.device) -> None:
    """Say that what the last step has computed is used up, so that a graph may overwrite it."""
    if device.type == "cuda":
        torch.compiler.cudagraph_mark_step_begin()
