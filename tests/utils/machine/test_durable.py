"""Files that are whole or absent, and locks."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from utils.machine.durable import held, remove_halves, whole_file, whole_folder


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


def test_what_a_killed_process_left_of_a_folder_goes(tmp_path):
    code = ("import os, sys, pathlib, utils.machine.durable as d\n"
            "with d.whole_folder(pathlib.Path(sys.argv[1])) as new: (new / 'in').mkdir(parents=True); os._exit(9)")
    for name in ("adapter", "best_model"):
        assert subprocess.run([sys.executable, "-c", code, tmp_path / name], cwd=ROOT).returncode == 9
    kept = {tmp_path / name for name in (".lock", ".scratch.ab12", "adapter", f".{'0' * 32}")}
    for path in kept:
        path.mkdir()
    assert len(list(tmp_path.iterdir())) == 6
    remove_halves(tmp_path)
    assert {*tmp_path.iterdir()} == kept


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
