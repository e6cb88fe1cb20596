"""Which arithmetic a run computes in: bf16 only where the hardware gains from it."""

import torch


def resolve_precision(asked: str, n_gpus: int) -> str:
    """Return "fp32" or "bf16" for `--precision auto`: bf16 where the chip multiplies it natively, else fp32.

    Weights, sums and the optimizer are float32 either way.
    """
    if asked != "auto":
        return asked
    if n_gpus:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    native = (torch.cpu._is_avx512_bf16_supported, torch.cpu._is_amx_tile_supported)
    return "bf16" if any(supported() for supported in native) else "fp32"
