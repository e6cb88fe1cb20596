"""Vectors by reference and in the message: the same bits, and no way out of the folder."""

import numpy as np
import pytest

from utils.transport import Transport


@pytest.mark.parametrize("by_reference", [True, False])
def test_a_vector_arrives_as_it_was_sent(tmp_path, by_reference):
    transport = Transport(str(tmp_path) if by_reference else "")
    vector = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    for _ in range(2):  # the second time in the same buffer
        buffer = transport.buffer("client-3", vector.size)
        buffer[:] = vector
        arrays = transport.pack("client-3", buffer)
        assert np.array_equal(transport.unpack(arrays), vector)
        vector = vector * 2
    assert sum(array.nbytes for array in arrays) == (8 if by_reference else 4000)
    assert len(list(tmp_path.iterdir())) == by_reference


@pytest.mark.parametrize("name", ["../secret-1", "/etc/passwd", "client-1/../../x-1", ""])
def test_a_handle_names_nothing_outside_the_folder(tmp_path, name):
    with pytest.raises(ValueError, match="not a buffer's name"):
        Transport(str(tmp_path)).unpack([np.frombuffer(name.encode(), np.uint8)])
