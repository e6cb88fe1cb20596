"""Iso-C against NumPy's SVD of each matrix in float64, and what it promises."""

import numpy as np
import pytest

from strategies.iso_c import IsoC
from tests.strategies.matrices import LAYOUT, made_of, vectors
from tests.strategies.rounds import ROWS, ServerState, play, server


def defined(before, clients, scale):
    """Return the merged vector by the paper's algorithm 1, float64."""
    new = np.mean(clients, axis=0, dtype=np.float64)
    for place in LAYOUT.places:
        if len(place.shape) == 2:
            summed = sum((client[place.part].astype(np.float64) - before[place.part]).reshape(place.shape)
                         for client in clients)
            left, values, right = np.linalg.svd(summed, full_matrices=False)
            new[place.part] = before[place.part] + scale * values.mean() * (left @ right).ravel()
    return new


@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("by_reference", [True, False])
def test_it_is_the_published_algorithm(tmp_path, scale, by_reference):
    before, clients = vectors(len(ROWS))
    made = made_of(IsoC(IsoC.Flags(scale), LAYOUT), before, clients, str(tmp_path) if by_reference else "")
    np.testing.assert_allclose(made, defined(before, clients, scale), rtol=1e-4, atol=2e-6)


def test_all_singular_values_are_the_mean_and_vectors_without_any_stay():
    before, _ = vectors(3)
    wide = LAYOUT.places[0]
    update = np.zeros(LAYOUT.size, np.float32)
    matrix = np.zeros(wide.shape, np.float32)
    matrix[0, 0], matrix[1, 1] = 3, 1
    update[wide.part] = matrix.ravel()
    before[wide.part] = 0
    end = play(server(IsoC(IsoC.Flags(), LAYOUT), "", ServerState(0, before)), 1, 1,
               lambda vector, number: [before + update] * 3)
    expected = np.zeros(wide.shape)
    expected[0, 0] = expected[1, 1] = 3 * 2  # the sum of three
    np.testing.assert_allclose(end.vector[wide.part].reshape(wide.shape), expected, atol=1e-5)
    others = np.arange(LAYOUT.size) >= wide.part.stop
    assert np.array_equal(end.vector[others], before[others])


def test_updates_of_low_rank_have_no_more_directions_for_being_rounded():
    """Three of rank 5 make 15 of 40, and of 30."""
    before, _ = vectors(3)
    rng, exact, clients = np.random.default_rng(1), before.astype(np.float64), [before.copy() for _ in range(3)]
    for place in LAYOUT.places[:2]:
        of_all = [1e-3 * rng.standard_normal((place.shape[0], 5)) @ rng.standard_normal((5, place.shape[1]))
                  for _ in clients]
        for client, update in zip(clients, of_all):
            client[place.part] += update.ravel()
        left, values, right = np.linalg.svd(sum(of_all), full_matrices=False)
        exact[place.part] += (values[:15].mean() * left[:, :15] @ right[:15]).ravel()
    end = play(server(IsoC(IsoC.Flags(), LAYOUT), "", ServerState(0, before)), 1, 1, lambda *_: clients, [1])
    wrong, step = end.vector - exact, exact - before
    assert np.linalg.norm(wrong) < 1e-3 * np.linalg.norm(step)
