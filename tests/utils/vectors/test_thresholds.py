"""The r-th largest magnitude of each tensor against sorting, whatever the floats and however often they are equal."""

import numpy as np
import pytest

from engine.merging import seen_by
from utils.vectors.layout import Layout, Place
from utils.vectors.thresholds import LOOKS, counts, thresholds

LAYOUT = Layout(5000, (Place("a", (1,), slice(0, 1)), Place("b", (4000,), slice(16, 4016)),
                       Place("c", (900,), slice(4016, 4916))))
WINDOWS = (slice(0, 2048), slice(2048, 4096), slice(4096, 5000))
RNG = np.random.default_rng(0)


def ranks(size: int) -> tuple[int, int, int]:
    return 0, size // 5, size - 1


@pytest.mark.parametrize("values", [
    RNG.standard_normal((2, 5000)), 10.0 ** RNG.uniform(-45, 38, (2, 5000)) * RNG.choice([-1, 1], (2, 5000)),
    RNG.integers(-2, 3, (2, 5000)), np.zeros((2, 5000)), 1 + 2.0**-23 * RNG.integers(0, 9, (2, 5000))],
    ids=["normal", "all exponents", "few values", "zeros", "last bits"])
def test_they_are_those_of_sorting(values):
    values = values.astype(np.float32)
    seen: list[np.ndarray] = []
    for _ in range(LOOKS):
        seen.append(seen_by((counts(LAYOUT, ranks, window, np.zeros(5000, np.float32)[window], values[:, window], seen)
                             for window in WINDOWS), len(LAYOUT.places)))
    assert counts(LAYOUT, ranks, WINDOWS[0], values[0][:2048], values[:, :2048], [])[1].shape[0] == 2  # of 3 tensors
    for number, place in enumerate(LAYOUT.places):
        descending = -np.sort(-np.abs(values[:, place.part]), axis=1)
        expected = descending[:, ranks(descending.shape[1])].T[:, :, None]
        assert np.array_equal(thresholds(LAYOUT, ranks, number, seen), expected)
