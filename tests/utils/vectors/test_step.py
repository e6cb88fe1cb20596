"""A step beside the mean's: what a record has of it, against NumPy."""

import numpy as np
import pytest

from utils.vectors.norms import compare, squared_distance
from utils.vectors.step import Step


def test_norms_and_cosine_are_numpys_on_float64_vectors():
    before, mean, new = np.random.default_rng(0).standard_normal((3, 5001)).astype(np.float32)
    step, to_mean = (vector.astype(np.float64) - before for vector in (new, mean))
    norms = np.linalg.norm(step), np.linalg.norm(to_mean)
    found = Step(*compare(before, mean, new))
    assert found.record(matched=False) == pytest.approx({
        "norm": norms[0], "mean_norm": norms[1], "ratio": norms[0] / norms[1],
        "cosine": step @ to_mean / norms[0] / norms[1]}, rel=1e-5)
    assert found.times(found.to_match).record(matched=True) == pytest.approx({
        "norm": norms[1], "mean_norm": norms[1], "ratio": 1, "cosine": step @ to_mean / norms[0] / norms[1],
        "scale": norms[1] / norms[0]}, rel=1e-5)
    assert squared_distance(new, before) == pytest.approx(norms[0]**2)


def test_what_does_not_exist_is_null_and_a_step_without_length_stays():
    assert Step(0.0, 0.0, 0.0).record(False) == {"norm": 0, "mean_norm": 0, "ratio": None, "cosine": None}
    assert Step(4.0, 0.0, 0.0).record(False) == {"norm": 2, "mean_norm": 0, "ratio": None, "cosine": None}
    assert Step(0.0, 4.0, 0.0).record(False) == {"norm": 0, "mean_norm": 2, "ratio": 0, "cosine": None}
    assert Step(0.0, 4.0, 0.0).to_match == 1 and Step(4.0, 0.0, 0.0).to_match == 0
