"""Tiny models, whole or to be spoilt, for all tests of this room."""

from pathlib import Path

import pytest

from tests.tiny import tiny_once


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A function: family → its folder, made once."""
    return lambda family: tiny_once(tmp_path_factory.getbasetemp(), family)


@pytest.fixture
def copied(tiny, tmp_path):
    """A function that copies a family's folder, less some files, to be spoilt."""
    def copy(family: str, *without: str) -> Path:
        folder = tmp_path / family
        folder.mkdir()
        for file in tiny(family).iterdir():
            if file.name not in without:
                (folder / file.name).write_bytes(file.read_bytes())
        return folder
    return copy


@pytest.fixture
def folder(copied):
    """A tiny BERT's files, to be changed."""
    return copied("bert")
