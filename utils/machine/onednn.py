"""float32 products by oneDNN, which torch leaves to MKL: an operator that it has for its own compiler makes them."""

import torch

from utils.errors import UserError


def check_onednn() -> None:
    """Raise UserError, naming the flag, for a torch that cannot."""
    if not is_here():
        raise UserError("--fp32_products onednn: this torch is built without it; give torch")


def is_here() -> bool:
    """Return whether this torch can."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def product(x: torch.Tensor, y: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Return x yᵀ + bias, [..., n], on the CPU and without a gradient.

    `x` float32 [..., k], `y` [n, k], each contiguous or the transpose of such a one; `bias` [n] or None.
    """
    return torch.ops.mkldnn._linear_pointwise(x, y, bias, "none", [], "")
