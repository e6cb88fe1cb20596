"""What a worker's device is set to."""

import torch

from utils.config import RunConfig
from utils.machine.device import device_of, exact_float32, staged


def test_the_cpu_is_left_as_it_is():
    config = RunConfig(deterministic=True)
    before = torch.are_deterministic_algorithms_enabled()
    assert device_of(config) == torch.device("cpu")
    assert torch.are_deterministic_algorithms_enabled() == before


def test_a_gpus_float32_is_exact_whatever_was_switched_on(monkeypatch):
    """All but the device is there without one: torch's switches and the environment."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    cudnn = torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        assert not exact_float32()
        assert device_of(RunConfig(n_gpus=1, deterministic=True)).type == "cuda"
        assert exact_float32() and torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cuda.matmul.allow_tf32
        device_of(RunConfig(n_gpus=1))
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.allow_tf32 = cudnn
    batch = {"labels": torch.zeros(2)}
    assert staged(batch, torch.device("cpu")) is batch
