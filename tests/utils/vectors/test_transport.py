"""Vectors by reference and in the message: the same bits, and no way out of the folder."""

import gc
import weakref

import numpy as np
import pytest
from flwr.common import FitIns, ndarrays_to_parameters
from flwr.compat.common.recorddict_compat import fitins_to_recorddict

from utils.vectors.transport import WINDOW, Transport


@pytest.mark.parametrize("by_reference", [True, False])
def test_a_vector_arrives_as_it_was_sent(tmp_path, by_reference):
    """Also in a buffer that is used again, as a whole and window by window."""
    size = WINDOW + 1000
    sender, receiver = (Transport(str(tmp_path) if by_reference else "", size) for _ in range(2))
    vector = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    for _ in range(2):
        arrays = sender.send("client-3", vector)
        assert np.array_equal(receiver.receive(arrays), vector)
        parts = list(receiver.windows())
        assert len(parts) == 2
        assert np.array_equal(np.concatenate([receiver.window(arrays, part) for part in parts]), vector)
        vector = vector * 2
    assert sum(array.nbytes for array in arrays) == (8 if by_reference else 4 * size)
    assert len(list(tmp_path.iterdir())) == by_reference


@pytest.mark.parametrize("by_reference", [True, False])
def test_a_vector_can_be_written_window_by_window(tmp_path, by_reference):
    transport = Transport(str(tmp_path) if by_reference else "", 2 * WINDOW, np.float64)
    arrays = transport.buffer("sum-0")
    for part in transport.windows():
        transport.window(arrays, part)[:] = np.arange(part.start, part.stop)
    assert np.array_equal(transport.receive(arrays), np.arange(2.0 * WINDOW))


@pytest.mark.parametrize("by_reference", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parts_are_copied_to_and_from_each_vector_of_a_message(tmp_path, by_reference, dtype):
    transport = Transport(str(tmp_path) if by_reference else "", 1000, dtype, vectors=2)
    arrays, whole = transport.buffer("sum-0"), np.arange(2000, dtype=dtype)
    for number in range(2):
        with transport.opened(arrays, number) as elements:
            for start in range(0, 1000, 300):
                elements.write(start, whole[1000 * number:][start:min(start + 300, 1000)])
    assert np.array_equal(np.concatenate([transport.window(arrays, slice(0, 1000), k) for k in range(2)]), whole)
    out = np.empty(450, dtype)
    with transport.opened(arrays, 1) as elements:
        elements.read(550, out)
        assert np.array_equal(out, whole[1550:])
        with pytest.raises(ValueError):
            elements.read(551, out)


@pytest.mark.parametrize("name", ["../secret-1", "/etc/passwd", "client-1/../../x-1", ""])
def test_a_handle_names_nothing_outside_the_folder(tmp_path, name):
    with pytest.raises(ValueError, match="not a buffer's name"):
        Transport(str(tmp_path), 1).receive([np.frombuffer(name.encode(), np.uint8)])


def test_the_vector_of_a_message_that_is_done_with_goes_when_the_next_is_received():
    """Flower's messages are in cycles with themselves, and their few objects alone rouse no collector."""
    vector = np.ones(1000, np.float32)
    message = fitins_to_recorddict(FitIns(ndarrays_to_parameters([vector]), {}), keep_input=True)
    [record] = message.array_records.values()
    there = weakref.ref(record)
    gc.disable()
    try:
        del message, record
        assert there() is not None
        Transport("", 1000).receive([vector])
        assert there() is None
    finally:
        gc.enable()
