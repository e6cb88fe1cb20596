"""A model is one vector: all its trainable parameters are views into one contiguous float32 tensor."""

import math
import mmap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from transformers.pytorch_utils import Conv1D

from utils.vectors.layout import Layout, Place

ALIGNMENT = 16  # floats: every view starts on a 64-byte line, as a tensor of its own would


class ParameterVector:
    """Moves a model's trainable parameters (tied weights once) into one flat tensor.

    `values`: float32 [size]; `parts`: each parameter and its place there; `layout`: its name, too. Matrices
    and embeddings come first (`values[:n_decayed]`): they are what weight decay applies to; biases and normalisation
    weights follow. Within each of the two the order is the model's own, so two instances of one architecture agree on
    it. Between parameters lie up to ALIGNMENT − 1 zeros, which stay zero: unaligned views would be slower and change
    the last bits of a product. `n_parameters` counts the parameters themselves.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        trainable = {p: name for name, p in model.named_parameters() if p.requires_grad}  # each shared tensor once
        matrices, others = [p for p in trainable if p.ndim >= 2], [p for p in trainable if p.ndim < 2]
        self.n_parameters = sum(p.numel() for p in trainable)
        self.n_decayed = sum(map(aligned_size, matrices))
        self.size = self.n_decayed + sum(map(aligned_size, others))
        self.values = torch.zeros(self.size, dtype=torch.float32, device=next(iter(trainable)).device)
        self.parts: list[tuple[torch.nn.Parameter, slice]] = []
        linear = linear_weights(model)
        places = []
        for p, place in zip(matrices + others, placed((trainable[p], p) for p in matrices + others)):
            self.values[place.part] = p.detach().reshape(-1)
            p.data = self.values[place.part].view(p.shape)
            self.parts.append((p, place.part))
            places.append(replace(place, inputs=linear.get(p)))
        self.layout = Layout(self.size, tuple(places))

    @property
    def nbytes(self) -> int:
        """Bytes of the vector."""
        return 4 * self.size

    def load(self, vector: np.ndarray) -> None:
        """Copy float32 [size] into the model."""
        if self.values.device.type == "cpu":
            np.copyto(self.values.numpy(), vector)  # past the caches: twice as fast as torch's
        else:
            torch.cuda.synchronize(self.values.device)  # what was loaded last has left the staging memory
            np.copyto(self.staging.numpy(), vector)
            self.values.copy_(self.staging, non_blocking=True)

    def numpy(self) -> np.ndarray:
        """Return the model's parameters, float32 [size]: their own memory, or of a GPU a copy, until the next."""
        if self.values.device.type == "cpu":
            return self.values.numpy()
        self.staging.copy_(self.values)
        return self.staging.numpy()

    @cached_property
    def staging(self) -> torch.Tensor:
        """The CPU's memory, float32 [size], from and to which a GPU copies: pinned, so it does so by itself."""
        return torch.empty(self.size, pin_memory=True)


def linear_weights(model: torch.nn.Module) -> dict[torch.nn.Parameter, int]:
    """Return the weights of a model's linear layers, each with the axis of its inputs, but those that embed, too."""
    axes = {torch.nn.Linear: 1, Conv1D: 0}
    modules = list(model.modules())
    embedding = {module.weight for module in modules if isinstance(module, torch.nn.Embedding)}
    return {module.weight: axis for kind, axis in axes.items() for module in modules
            if isinstance(module, kind) and module.weight not in embedding}


def zeros(*shape: int, device: torch.device) -> torch.Tensor:
    """Return float32 zeros. On the CPU, parts that are never written to take no memory: those of unused embeddings."""
    if device.type != "cpu":
        return torch.zeros(shape, device=device)
    memory = mmap.mmap(-1, 4 * math.prod(shape), mmap.MAP_PRIVATE)  # shared, it would be taken by reading, too
    return torch.frombuffer(memory, dtype=torch.float32).view(shape)


def placed(named: Iterable[tuple[str, torch.Tensor]]) -> Iterator[Place]:
    """Yield the places of tensors that lie one after the other, each from a line of its own on."""
    start = 0
    for name, tensor in named:
        yield Place(name, tuple(tensor.shape), slice(start, start + tensor.numel()))
        start += aligned_size(tensor)


def aligned_size(p: torch.Tensor) -> int:
    """Return a parameter's length in the vector: its elements, rounded up to whole lines."""
    return -(-p.numel() // ALIGNMENT) * ALIGNMENT
