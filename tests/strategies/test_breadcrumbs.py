"""Model Breadcrumbs against sorting whole tensors."""

import numpy as np
import pytest

from strategies.breadcrumbs import Breadcrumbs
from tests.strategies.rounds import LAYOUT, distinct, once


@pytest.mark.parametrize("density, outliers", [(0.1, 0.01), (0.5, 0.2), (0.9, 0.3), (1.0, 0.0), (0.001, 0.0)])
def test_it_is_the_sum_of_what_is_neither_among_the_largest_nor_small(density, outliers):
    clients = distinct(3)
    mine = once(Breadcrumbs(Breadcrumbs.Flags(density=density, outliers=outliers), LAYOUT), 0 * clients[0], clients)
    for place in LAYOUT.places:
        expected = 0
        for client in clients:
            update = client[place.part].astype(np.float64)
            first = int(outliers * len(update))
            left = np.argsort(-np.abs(update))[first:first + max(1, int(density * len(update)))]
            masked = np.zeros_like(update)
            masked[left] = update[left]
            expected = expected + 0.3 * masked
        np.testing.assert_allclose(mine[place.part], expected, rtol=1e-6, atol=1e-12)
