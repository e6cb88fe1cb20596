"""What is said of the processor: the same each time, and its instructions."""

import platform

import pytest

from utils.machine.processor import VARYING, processor


@pytest.mark.skipif(platform.system() != "Linux", reason="other systems say less")
def test_it_names_the_instructions_and_nothing_that_changes():
    lines = processor().splitlines()
    assert any(line.startswith(("flags", "Features")) for line in lines)
    assert not any(line.startswith(VARYING) for line in lines)
    assert "\n".join(lines) == processor()
