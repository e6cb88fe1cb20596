"""Triangles beside a vector: every matrix comes back, whatever its layer's shape, and windows cut none."""

import numpy as np
import pytest

from utils.vectors.layout import Layout, Place
from utils.vectors.triangles import Triangles

#: as a transformer's are: embeddings, square layers, a widening and a narrowing one, a bias between, a classifier
SHAPES = [((40, 8), None), ((8, 8), 1), ((8,), None), ((8, 32), 0), ((8, 32), 1), ((8, 8), 1), ((2, 8), 1),
          ((2,), None)]


def layout(shapes):
    places, start = [], 0
    for k, (shape, inputs) in enumerate(shapes):
        size = int(np.prod(shape))
        places.append(Place(f"t{k}", shape, slice(start, start + size), inputs))
        start += -(-size // 16) * 16
    return Layout(start, tuple(places))


@pytest.mark.parametrize("shapes, count", [(SHAPES, 1), (SHAPES[1:2] + SHAPES[-2:], 1), (SHAPES[4:] * 3, 2),
                                           (SHAPES[-2:] + SHAPES[4:5] + SHAPES[:1], 1), (SHAPES[4:5], 3)])
def test_every_matrix_comes_back_from_windows_of_whole_groups(shapes, count):
    of = layout(shapes)
    triangles, rng = Triangles(of), np.random.default_rng(0)
    assert triangles.count == count
    vectors, matrices = [np.zeros(of.size) for _ in range(count)], {}
    for number, n in triangles.sizes.items():
        matrix = rng.standard_normal((n, n))
        matrices[number] = matrix + matrix.T
        triangles.write(number, matrices[number], vectors)
    assert sum(np.count_nonzero(vector) for vector in vectors) == sum(n * (n + 1) // 2
                                                                       for n in triangles.sizes.values())
    found = 0
    for window in of.whole(triangles.unit, 100):
        parts = [vector[window] for vector in vectors]
        for number, _ in of.within(window):
            if number in matrices:
                np.testing.assert_array_equal(triangles.read(number, window, parts), matrices[number])
                found += 1
    assert found == len(matrices)


def test_groups_are_as_small_as_can_be():
    of = layout(SHAPES[:3])
    assert len({Triangles(of).unit(place.name) for place in of.places}) == 3
