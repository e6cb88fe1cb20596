"""A few examples of what tests/fuzz_readers.py does for minutes."""

import logging

import pytest

from tests import fuzz_readers


@pytest.fixture(scope="module")
def targets():
    return fuzz_readers.targets()


@pytest.mark.parametrize("name", ["official files", "archive", "table", "token cache"])
def test_damaged_files_end_as_valid_rows_or_one_line(targets, name, caplog):
    caplog.set_level(logging.CRITICAL, logger="lm")
    outcomes = fuzz_readers.check(*targets[name], examples=60, seed=0)
    assert len(outcomes) == 2 and outcomes.total() >= 60  # some came through, some did not
