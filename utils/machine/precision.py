"""Which arithmetic a run computes in: bf16, and another library than torch's, only where the hardware gains from it."""

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from utils.config import RunConfig
from utils.machine import onednn
from utils.plugins import TRAINED

#: rows, inner and columns of the products that are timed: a few rows' tokens in a small encoder's layer
SHAPE = (256, 384, 384)
TURNS = 20  # of half a millisecond: the fastest was hardly ever interrupted
GAIN = 1.25  # a chip whose bf16 is worth it multiplies at twice the rate or more; one that emulates it, at half


def resolve_arithmetic(config: RunConfig) -> RunConfig:
    """Return the flags with what `--precision auto` and `--fp32_products auto` come to on this machine.

    Raises UserError for a library that this torch lacks.
    """
    products = resolve_products(config.fp32_products, config.n_gpus or config.compile)
    asked = config.precision
    if asked == "auto" and config.train != RunConfig.train:
        asked = getattr(TRAINED.load(config.train), "PRECISION", asked)
    precision = resolve_precision(asked, config.n_gpus, products)
    return replace(config, fp32_products=products, precision=precision)


def resolve_precision(asked: str, n_gpus: int, products: str) -> str:
    """Return "fp32" or "bf16" for `--precision auto`: bf16 where the chip multiplies faster in it, else fp32.

    `products` is the library of those in float32. Weights, sums and the optimizer are float32 either way.
    """
    if asked != "auto":
        return asked
    if n_gpus:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    native = (torch.cpu._is_avx512_bf16_supported, torch.cpu._is_amx_tile_supported)
    return "bf16" if any(supported() for supported in native) and gain("bf16", products) > GAIN else "fp32"


def resolve_products(asked: str, own: bool | int) -> str:
    """Return "torch" or "onednn" for `--fp32_products auto`: onednn where it is faster by far, else torch's default.

    MKL leaves half of an AMD chip's rate unused; where the two are near each other, chance must not decide. `own`:
    there are other products than theirs, of a GPU or a compiled model. Raises UserError for onednn that is not here.
    """
    if asked == "onednn":
        onednn.check_onednn()
    if asked != "auto":
        return asked
    return "onednn" if not own and onednn.is_here() and gain("onednn", "torch") > GAIN else "torch"


def gain(way: str, over: str) -> float:
    """Return how many times as fast a product is here in one of `ways` as in another.

    Processors that have instructions for bf16 may still be slower with them: some take two steps for each, or are
    virtual ones that lack the tiles they were made for. The two take turns and the fastest of each counts, so that what
    else the machine is doing does not decide; the ratios of real chips lie far from GAIN on either side.
    """
    timed = {name: product for name, product in ways().items() if name in (way, over)}
    fastest, threads = dict.fromkeys(timed, float("inf")), torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for each other, and so for whatever else the machine is doing
    try:
        for turn in range(1 + TURNS):
            for name, product in timed.items():
                began = time.perf_counter()
                product()
                if turn:  # the first one compiles the kernel
                    fastest[name] = min(fastest[name], time.perf_counter() - began)
    finally:
        torch.set_num_threads(threads)
    return fastest[over] / fastest[way]


def ways() -> dict[str, Callable[[], torch.Tensor]]:
    """Return the ways to make one product: in float32 by torch's default library or by oneDNN, and in bf16."""
    rows, inner, columns = SHAPE
    left, right = torch.full((rows, inner), 0.5), torch.full((inner, columns), 0.5)
    left_half, right_half = left.bfloat16(), right.bfloat16()
    return {"torch": lambda: left @ right, "onednn": lambda: onednn.product(left, right.mT),
            "bf16": lambda: left_half @ right_half}
