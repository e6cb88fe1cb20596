"""The compiled arithmetic of the mean: NumPy's float64, bit for bit, and what it says of numbers that are none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.vectors.sums import GROUP, add, mean_of


def numbers(seed: int, n_windows: int, size: int) -> tuple[list[np.ndarray], list[int], np.ndarray]:
    rng = np.random.default_rng(seed)
    windows = [(10.0**rng.integers(-9, 9) * rng.standard_normal(size)).astype(np.float32) for _ in range(n_windows)]
    return windows, rng.integers(1, 10**6, n_windows).tolist(), rng.standard_normal(size)


@settings(deadline=None)
@given(st.integers(0, 99), st.integers(0, GROUP), st.sampled_from([1, 7, 2047, 2048, 2049, 5000]), st.booleans(),
       st.booleans())
def test_it_is_numpys_float64_bit_for_bit(seed, n_windows, size, goes_on, ends):
    windows, weights, before = numbers(seed, n_windows, size)
    expected = before.copy() if goes_on else np.zeros(size)
    for window, weight in zip(windows, weights):
        window.flags.writeable = False  # as those of a message are
        expected += window.astype(np.float64) * weight
    out = np.full(size, np.nan, np.float32 if ends else np.float64)
    squares = np.ones(n_windows)
    assert add(windows, weights, before if goes_on else None, out, 12345 if ends else 0, squares)
    assert np.array_equal(out, (expected / 12345).astype(np.float32) if ends else expected)
    exact = [1 + np.square(window - out.astype(np.float64)).sum() if ends else 1.0 for window in windows]
    np.testing.assert_allclose(squares, exact, rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("divisor", [0, 3])
@pytest.mark.parametrize("place", [0, 2048, 4999])
def test_it_tells_that_a_number_is_none(value, divisor, place):
    windows, weights, _ = numbers(0, 3, 5000)
    out = np.empty(5000, np.float32 if divisor else np.float64)
    assert add(windows, weights, None, out, divisor, np.zeros(3))
    windows[1][place] = value
    assert not add(windows, weights, None, out, divisor, np.zeros(3))


def test_infinities_of_both_signs_do_not_cancel():
    windows = [np.array([np.inf, -np.inf], np.float32)]
    assert not add(windows, [1], None, np.empty(2, np.float32), 1, np.zeros(1))


def test_a_negative_zero_is_a_zero():
    out = np.empty(1, np.float32)
    add([np.array([-0.0], np.float32)], [1], None, out, 1, np.zeros(1))
    assert not np.signbit(out[0])


@pytest.mark.parametrize("n", [1, 8, 9, 20])
def test_a_mean_of_windows_is_the_weighted_mean(n):
    windows = np.random.default_rng(n).standard_normal((n, 77)).astype(np.float32)
    exact = np.average(windows.astype(np.float64), axis=0, weights=range(1, n + 1))
    np.testing.assert_allclose(mean_of(list(windows), list(range(1, n + 1))), exact, rtol=3e-7, atol=1e-8)
