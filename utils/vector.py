"""A model is one vector: all its trainable parameters are views into one contiguous float32 tensor."""

import numpy as np
import torch


class ParameterVector:
    """Moves a model's trainable parameters (tied weights once) and their gradients into flat tensors.

    `values` and `grads`: float32 [n]. Matrices and embeddings come first (`values[:n_decayed]`): they are what
    weight decay applies to; biases and normalisation weights follow. Within each part the order is the
    model's own, so two instances of one architecture agree on it.
    """

    def __init__(self, model: torch.nn.Module, with_grads: bool = True) -> None:
        trainable = [p for p in model.parameters() if p.requires_grad]  # each shared tensor once
        ordered = [p for p in trainable if p.ndim >= 2] + [p for p in trainable if p.ndim < 2]
        self.n_decayed = sum(p.numel() for p in ordered if p.ndim >= 2)
        self.size = sum(p.numel() for p in ordered)
        device = ordered[0].device
        self.values = torch.empty(self.size, dtype=torch.float32, device=device)
        self.grads = torch.zeros_like(self.values) if with_grads else None
        start = 0
        for p in ordered:
            part = slice(start, start + p.numel())
            self.values[part] = p.detach().reshape(-1)
            p.data = self.values[part].view(p.shape)
            if with_grads:
                p.grad = self.grads[part].view(p.shape)
            start = part.stop

    def load(self, vector: np.ndarray) -> None:
        """Copy float32 [n] into the model."""
        self.values.copy_(torch.from_numpy(vector))

    def export(self, out: np.ndarray) -> None:
        """Copy the model's parameters into `out`, float32 [n]."""
        torch.from_numpy(out).copy_(self.values)
