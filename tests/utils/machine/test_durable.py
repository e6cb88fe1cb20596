"""Files that are whole or absent, and locks."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from utils.machine.durable import held, whole_file, whole_folder


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "file"
    for text in ("old", "new"):
        with whole_file(path) as temporary:
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "old"
    with pytest.raises(KeyError), whole_file(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "in" / "folder"
    for text in ("old", "new"):
        with whole_folder(path) as temporary:
            temporary.mkdir()
            (temporary / text).write_text(text)
            assert not path.exists() or [file.name for file in path.iterdir()] == ["old"]
    with pytest.raises(KeyError), whole_folder(path) as temporary:
        temporary.mkdir()
        raise KeyError
    assert [file.name for file in path.iterdir()] == ["new"] and list(path.parent.iterdir()) == [path]


def test_a_lock_is_held_until_the_process_ends(tmp_path):
    code = ("import sys, pathlib, utils.machine.durable as d\n"
            "with d.held(pathlib.Path(sys.argv[1])): print(1, flush=True); input()")
    holder = subprocess.Popen([sys.executable, "-c", code, tmp_path / "lock"], cwd=ROOT, stdout=subprocess.PIPE,
                              stdin=subprocess.PIPE)
    holder.stdout.readline()
    with pytest.raises(BlockingIOError), held(tmp_path / "lock"):
        pass
    holder.kill()
    holder.communicate()
    with held(tmp_path / "lock"):
        pass
