"""A card is known by its name."""

import pytest

from benchmarks.on_gpu.card import Card, card_here, peaks_of


@pytest.mark.parametrize(("name", "peaks"), [
    ("NVIDIA H100 80GB HBM3", (989, 67)), ("NVIDIA H100 PCIe", (756, 51)), ("NVIDIA H200", (989, 67)),
    ("NVIDIA A100-SXM4-40GB", (312, 19.5)), ("NVIDIA A10G", (70, 35)), ("NVIDIA L4", (121, 30.3)),
    ("NVIDIA L40S", (362, 91.6)), ("Tesla T4", (0, 8.1)), ("Tesla V100-SXM2-16GB", (0, 15.7)),
    ("NVIDIA GeForce RTX 3090", (71, 35.6)), ("NVIDIA GeForce RTX 4090", (165.2, 82.6)),
    ("NVIDIA GeForce GTX 1080", (0, 0)), ("NVIDIA T400", (0, 0))])
def test_its_peaks(name, peaks):
    assert peaks_of(name) == peaks


def test_a_share_of_a_peak_that_is_known():
    card = Card("Tesla T4", "550", *peaks_of("Tesla T4"))
    assert card.share(4.05e12, "fp32") == pytest.approx(0.5) and card.share(1e12, "bf16") is None
    assert card_here(rehearse=True).share(1e12, "fp32") is None
