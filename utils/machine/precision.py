"""Which arithmetic a run computes in: bf16 only where the hardware gains from it."""

import time

import torch

#: rows, inner and columns of the products that are timed: a few rows' tokens in a small encoder's layer
SHAPE = (256, 384, 384)
TURNS = 20  # of half a millisecond: the fastest was hardly ever interrupted
GAIN = 1.25  # a chip whose bf16 is worth it multiplies at twice the rate or more; one that emulates it, at half


def resolve_precision(asked: str, n_gpus: int) -> str:
    """Return "fp32" or "bf16" for `--precision auto`: bf16 where the chip multiplies faster in it, else fp32.

    Weights, sums and the optimizer are float32 either way.
    """
    if asked != "auto":
        return asked
    if n_gpus:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    native = (torch.cpu._is_avx512_bf16_supported, torch.cpu._is_amx_tile_supported)
    return "bf16" if any(supported() for supported in native) and bf16_gain() > GAIN else "fp32"


def bf16_gain() -> float:
    """Return how many times as fast as float32's a product in bf16 is here.

    Processors that have the instructions may still be slower with them: some take two steps for each, or are virtual
    ones that lack the tiles they were made for. The two take turns and the fastest of each counts, so that what else
    the machine is doing does not decide; the ratios of real chips lie far from GAIN on either side.
    """
    rows, inner, columns = SHAPE
    factors = {dtype: (torch.full((rows, inner), 0.5, dtype=dtype), torch.full((inner, columns), 0.5, dtype=dtype))
               for dtype in (torch.float32, torch.bfloat16)}
    fastest, threads = dict.fromkeys(factors, float("inf")), torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for each other, and so for whatever else the machine is doing
    for turn in range(1 + TURNS):
        for dtype, (left, right) in factors.items():
            began = time.perf_counter()
            left @ right
            if turn:  # the first one compiles the kernel
                fastest[dtype] = min(fastest[dtype], time.perf_counter() - began)
    torch.set_num_threads(threads)
    return fastest[torch.float32] / fastest[torch.bfloat16]
