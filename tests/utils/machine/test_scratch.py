"""Scratch folders: private, gone at the end, and those of killed runs gone at the next start."""

import errno
import logging
import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from utils.errors import UserError
from utils.machine.scratch import PREFIX, remove_stale, scratch_folder

HOLDER = """
from utils.machine.scratch import scratch_folder
with scratch_folder(1) as folder:
    print(folder, flush=True)
    input()
"""


def test_a_scratch_folder_is_private_and_goes_even_after_an_error():
    with pytest.raises(KeyError), scratch_folder(1000) as folder:
        assert folder.stat().st_mode & 0o77 == 0 and str(os.getpid()) in folder.name
        (folder / "buffer").write_bytes(b"x")
        raise KeyError
    assert not folder.exists()


def test_a_scratch_folder_that_memory_has_no_room_for_lies_elsewhere(monkeypatch):
    monkeypatch.setattr("utils.machine.scratch.MEMORY", ROOT / "no-such-folder")
    with scratch_folder(1000) as folder:
        assert not folder.is_relative_to("/dev/shm")


def test_too_little_room_anywhere_is_told():
    with pytest.raises(UserError, match="too little room.*TMPDIR"), scratch_folder(1 << 60):
        pass


def test_a_folder_that_was_never_held_goes_once_it_is_old(tmp_path, monkeypatch):
    monkeypatch.setattr("utils.machine.scratch.MEMORY", tmp_path)
    old, new = (tmp_path / f"{PREFIX}{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    remove_stale()
    assert not old.exists() and new.exists()


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_uses_is_not():
    holders = [subprocess.Popen([sys.executable, "-c", HOLDER], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                                stdin=subprocess.PIPE) for _ in range(2)]
    dead, living = (type(ROOT)(holder.stdout.readline().strip()) for holder in holders)
    holders[0].send_signal(signal.SIGKILL)
    holders[0].wait()
    assert dead.is_dir() and living.is_dir()
    remove_stale()
    assert not dead.exists() and living.is_dir()
    holders[1].communicate("\n")
    assert holders[1].returncode == 0 and not living.exists()


def test_without_locks_what_may_be_a_living_runs_stays(tmp_path, monkeypatch, caplog):
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("utils.machine.scratch.places", lambda: [tmp_path])
    monkeypatch.setattr(logging.getLogger("lm"), "propagate", True)
    (tmp_path / f"{PREFIX}1").mkdir()
    (tmp_path / f"{PREFIX}1" / "lock").touch()
    with monkeypatch.context() as here, caplog.at_level(logging.INFO, "lm"):
        here.setattr("fcntl.flock", refuse)
        remove_stale()
        assert (tmp_path / f"{PREFIX}1").is_dir() and "has no locks" in caplog.text
    remove_stale()
    assert not (tmp_path / f"{PREFIX}1").exists()


def test_shared_memory_holds_no_more_than_a_container_may_have(monkeypatch):
    monkeypatch.setattr("utils.machine.scratch.memory_limit", lambda: 1999)
    with scratch_folder(1000) as folder:
        assert not folder.is_relative_to("/dev/shm")
    with scratch_folder(999) as folder:
        assert folder.is_relative_to("/dev/shm")
