"""The device that a worker computes on, and how exactly: float32 is float32 there, and the same bits if asked for."""

import os

import torch

from utils.config import RunConfig

#: what cuBLAS gives the products of a process to work in: one place of a fixed size, so that none depends on another
WORKSPACE = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}


def device_of(config: RunConfig) -> torch.device:
    """Return the device of a run's worker, which Ray gives its GPU; it is set up as the run asks for.

    On a GPU products of float32 are never rounded to TF32, whatever a library has switched on, and `--deterministic`
    has torch take algorithms that give the same bits each time; an operation without one is a RuntimeError then.
    Nothing is changed for the CPU, whose arithmetic has no such choice.
    """
    if not config.n_gpus:
        return torch.device("cpu")
    os.environ |= WORKSPACE  # read once in a process, so it is there for the run after this one, too
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.use_deterministic_algorithms(config.deterministic)
    # It is for finding faults, and one more pass over memory.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)
    return torch.device("cuda")


def exact_float32() -> bool:
    """Return whether products of float32 are computed in float32 by this process, on a GPU as on the CPU."""
    return torch.get_float32_matmul_precision() == "highest" and not torch.backends.cudnn.allow_tf32


def staged(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """Return a batch on `device`: copied from pinned memory, while the device is still at work on what came before.

    On the CPU it is the batch itself.
    """
    if device.type == "cpu":
        return batch
    return {name: tensor.pin_memory().to(device, non_blocking=True) for name, tensor in batch.items()}
