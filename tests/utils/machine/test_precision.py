"""`auto` of `--precision` and `--fp32_products`: what the processor gains from, and what was asked for otherwise."""

import pytest
import torch

import utils.machine.precision
from utils.config import RunConfig
from utils.errors import UserError
from utils.machine import onednn
from utils.machine.precision import GAIN, gain, resolve_arithmetic


def resolved(**flags) -> tuple[str, str]:
    config = resolve_arithmetic(RunConfig(**flags))
    return config.precision, config.fp32_products


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("of_bf16", [0.5, 2.0])
@pytest.mark.parametrize("of_onednn", [1.1, 2.0])
def test_auto_is_what_is_there_and_faster_by_far(monkeypatch, native, of_bf16, of_onednn):
    """bf16 is compared with the float32 products that it would take the place of."""
    products = "onednn" if of_onednn > GAIN else "torch"
    gains = {("bf16", products): of_bf16, ("onednn", "torch"): of_onednn}
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(utils.machine.precision, "gain", lambda way, over: gains[way, over])
    assert resolved() == ("bf16" if native and of_bf16 > GAIN else "fp32", products)
    for precision in ("fp32", "bf16"):
        for library in ("torch", "onednn"):
            assert resolved(precision=precision, fp32_products=library) == (precision, library)


def test_without_onednn_the_products_are_torchs(monkeypatch):
    monkeypatch.setattr(onednn, "is_here", lambda: False)
    assert resolved(precision="fp32") == ("fp32", "torch")
    with pytest.raises(UserError, match="--fp32_products onednn: this torch is built without it"):
        resolved(precision="fp32", fp32_products="onednn")


def test_on_a_gpu_the_products_are_torchs(monkeypatch):
    monkeypatch.setattr(utils.machine.precision, "gain", lambda way, over: 9.0)
    assert resolved(precision="fp32", n_gpus=1) == ("fp32", "torch")


def test_a_probe_is_in_float32_unless_asked_otherwise(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(utils.machine.precision, "gain", lambda way, over: 9.0)
    assert [resolved(train=what)[0] for what in ("all", "bias", "lora", "head")] == ["bf16"] * 3 + ["fp32"]
    assert resolved(train="head", precision="bf16")[0] == "bf16"


@pytest.mark.parametrize("way", ["bf16", "onednn"])
def test_the_gain_is_measured_alike_each_time(way):
    gains = [gain(way, "torch") for _ in range(3)]
    assert 0.01 < min(gains) and len({gain > GAIN for gain in gains}) == 1
