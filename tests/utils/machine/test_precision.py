"""`--precision auto`: bf16 where the processor gains from it, and what was asked for otherwise."""

import pytest
import torch

import utils.machine.precision
from utils.machine.precision import GAIN, bf16_gain, resolve_precision


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_auto_is_bf16_only_where_it_is_native_and_faster(monkeypatch, native, gain):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(utils.machine.precision, "bf16_gain", lambda: gain)
    assert resolve_precision("auto", n_gpus=0) == ("bf16" if native and gain > GAIN else "fp32")
    assert [resolve_precision(asked, n_gpus=0) for asked in ("fp32", "bf16")] == ["fp32", "bf16"]


def test_the_gain_is_measured_alike_each_time():
    gains = [bf16_gain() for _ in range(3)]
    assert 0.01 < min(gains) and len({gain > GAIN for gain in gains}) == 1
