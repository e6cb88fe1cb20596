"""Where in a window a layer's matrix and its adapters are."""

import numpy as np

from tests.strategies.adapters import MATRICES, begin, layout
from utils.vectors.adapters import adapted_layers, layer_of


def test_layers_are_found_in_whatever_windows_cut_none():
    vector, whole = begin(), list(adapted_layers(layout(), slice(0, layout().size)))
    assert [layer.base.shape for layer in whole] == [shape for shape, _ in MATRICES.values()]
    windows = list(layout().whole(layer_of, 1))
    assert len(windows) == len(MATRICES) + 1  # and the head
    alone = [(vector[window], layer) for window in windows for layer in adapted_layers(layout(), window)]
    for (part, layer), same in zip(alone, whole, strict=True):
        assert np.array_equal(layer.matrix(part), same.matrix(vector)) and layer.number == same.number
        assert np.array_equal(part[layer.a.part], vector[same.a.part])
        np.testing.assert_allclose(layer.product([part], [2]), same.product([vector, vector], [1, 1]), rtol=1e-12)
        assert layer.product([part], [1]).shape == layer.base.shape


def test_names():
    assert layer_of("bert.layer.0.query.base_layer.weight") == layer_of("bert.layer.0.query.lora_B.default.weight")
    assert layer_of("classifier.weight") == "classifier.weight"
