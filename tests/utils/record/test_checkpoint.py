"""Checkpoints: two are kept, and a damaged one is found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.record.checkpoint import last_checkpoint, save_checkpoint

VECTOR = np.random.default_rng(0).standard_normal(50).astype(np.float32)


def test_the_last_two_are_kept(tmp_path):
    folder = tmp_path / "checkpoints"
    assert last_checkpoint(folder) is None
    for number in (8, 9, 10):
        save_checkpoint(folder, {"round": number, "test": {"é": 0.1}}, VECTOR * number, [VECTOR, -VECTOR * number])
    assert sorted(path.name for path in folder.iterdir()) == ["round-10.safetensors", "round-9.safetensors"]
    record, vector, states = last_checkpoint(folder)
    assert record == {"round": 10, "test": {"é": 0.1}} and np.array_equal(vector, VECTOR * 10)
    assert np.array_equal(states, [VECTOR, -VECTOR * 10])


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A folder with checkpoints 1 and 2, and the bytes of the latter."""
    folder = tmp_path_factory.mktemp("two")
    for number in (1, 2):
        save_checkpoint(folder, {"round": number}, VECTOR * number, [VECTOR + number])
    return folder, (folder / "round-2.safetensors").read_bytes()


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_whatever_bit_flips_or_wherever_it_ends_the_numbers_are_a_checkpoints(two, data):
    folder, whole = two
    place, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 8))
    broken = whole[:place] if bit == 8 else whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1:]
    (folder / "round-2.safetensors").write_bytes(broken)
    record, vector, states = last_checkpoint(folder)
    assert record["round"] in (1, 2) and np.array_equal(vector, VECTOR * record["round"])
    assert np.array_equal(states, [VECTOR + record["round"]])
    (folder / "round-1.safetensors").rename(folder / "round-0.safetensors")  # its name does not matter
    assert last_checkpoint(folder)[0]["round"] == record["round"]
    (folder / "round-0.safetensors").rename(folder / "round-1.safetensors")
