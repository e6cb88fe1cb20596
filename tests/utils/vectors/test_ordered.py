"""Values in ascending order against NumPy's, whichever way they are sorted, across pieces."""

import numpy as np
import pytest

from utils.vectors.ordered import FEW, ordered


@pytest.mark.parametrize("n_clients", [1, 2, 3, FEW, FEW + 1])
def test_they_are_numpys(n_clients):
    clients = np.random.default_rng(n_clients).integers(-9, 9, (n_clients, 200_001)).astype(np.float32)
    parts, values = zip(*ordered(list(clients)))
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
    assert np.array_equal(np.concatenate(values, axis=1), np.sort(clients, axis=0))
