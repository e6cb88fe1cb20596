"""To what length a batch is padded beyond its longest row: for a GPU's kernels, and for a compiled model's graphs."""

from collections.abc import Callable
from functools import partial

import torch

_EIGHT = 8  # tokens: a GPU's matrix units and its attention kernels take whole multiples
_SHORTEST = 16  # tokens of a compiled model's shortest batch


def length_rule(device: torch.device, compiled: bool, most: int) -> Callable[[int], int]:
    """Return what makes of a batch's longest row, in tokens, the length that it is padded to; never above `most`.

    As it is on the CPU, the next multiple of 8 on a GPU, one of a few sizes for a compiled model. Padding changes no
    more than the last bits of a row's result.
    """
    if compiled:
        return partial(_one_of_few, most)
    return as_long_as_it_is if device.type == "cpu" else partial(_whole_eights, most)


def as_long_as_it_is(longest: int) -> int:
    """Return `longest`."""
    return longest


def _whole_eights(most: int, longest: int) -> int:
    return max(longest, min(most, -(-longest // _EIGHT) * _EIGHT))


def _one_of_few(most: int, longest: int) -> int:
    """Return the next power of two or one and a half times one: 7 sizes up to 128 tokens, each a graph of its own."""
    size = _SHORTEST
    while size < longest:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return max(longest, min(most, size))
