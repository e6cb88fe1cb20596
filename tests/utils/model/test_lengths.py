"""The lengths that batches are padded to."""

import torch

from utils.model.lengths import length_rule


def lengths(device, compiled, most=128):
    rule = length_rule(torch.device(device), compiled, most)
    found = {longest: rule(longest) for longest in range(1, most + 1)}
    assert all(longest <= size <= most for longest, size in found.items())
    return found


def test_on_the_cpu_a_batch_is_as_long_as_its_longest_row():
    assert all(longest == size for longest, size in lengths("cpu", False).items())


def test_a_gpu_gets_whole_eights_and_a_compiled_model_few_sizes():
    assert set(lengths("cuda", False).values()) == {*range(8, 129, 8)}
    for device in ("cpu", "cuda"):
        assert sorted({*lengths(device, True).values()}) == [16, 24, 32, 48, 64, 96, 128]
    assert sorted({*lengths("cuda", True, 100).values()}) == [16, 24, 32, 48, 64, 96, 100]
    assert max(size / longest for longest, size in lengths("cuda", True, 1000).items() if longest >= 16) <= 1.5
