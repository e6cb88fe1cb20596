"""Which card a machine has, and what it can do at most, by its name."""

import re
import subprocess
from dataclasses import dataclass

import torch

#: name → dense TFLOP/s in bf16 and in float32 without TF32, from the makers' data sheets; 0: it has no bf16. The first
#: name that is found counts.
PEAKS = {
    "B200": (2250, 75), "H200": (989, 67), "GH200": (989, 67), "H100 PCIe": (756, 51), "H100 NVL": (835, 60),
    "H100": (989, 67), "H800": (989, 67), "A100": (312, 19.5), "A800": (312, 19.5), "A40": (149.7, 37.4),
    "A30": (165, 10.3), "A10G": (70, 35), "A10": (125, 31.2), "L40S": (362, 91.6), "L40": (181, 90.5),
    "L4": (121, 30.3), "T4": (0, 8.1), "V100": (0, 15.7), "RTX A6000": (154.8, 38.7), "RTX 6000 Ada": (364, 91.1),
    "RTX 5090": (209.5, 104.8), "RTX 4090": (165.2, 82.6), "RTX 4080": (97.5, 48.7), "RTX 3090": (71, 35.6),
    "RTX 3080": (59.5, 29.8),
}


@dataclass(frozen=True)
class Card:
    """A card's name, its driver's version, and its peaks in TFLOP/s by precision; 0 where that is unknown."""

    name: str
    driver: str
    bf16: float = 0.0
    fp32: float = 0.0

    def share(self, flops: float, precision: str) -> float | None:
        """Return which part of the peak `flops` a second are; None where the peak is unknown."""
        peak = self.bf16 if precision == "bf16" else self.fp32
        return flops / (1e12 * peak) if peak else None


def card_here(rehearse: bool) -> Card:
    """Return this machine's first card; in a rehearsal, what stands for it."""
    if rehearse:
        return Card("no card: a rehearsal on the CPU", "none")
    name = torch.cuda.get_device_name(0)
    return Card(name, driver_version(), *peaks_of(name))


def peaks_of(name: str) -> tuple[float, float]:
    """Return a card's peaks in TFLOP/s, bf16 and float32, by the words of its name; zeros if it is in no list."""
    words = re.sub(r"[^0-9A-Za-z]+", " ", name)
    return next((peak for known, peak in PEAKS.items() if re.search(rf"\b{known}\b", words)), (0.0, 0.0))


def driver_version() -> str:
    """Return the version of the card's driver as nvidia-smi says it; "unknown" where it does not."""
    try:
        said = subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
                              capture_output=True, text=True, timeout=30).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        said = []
    return said[0] if said else "unknown"
