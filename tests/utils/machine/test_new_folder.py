"""A folder that a command makes."""

from pathlib import Path

import pytest

from utils.errors import UserError
from utils.machine.new_folder import make_folder, new_folder


def test_a_folder_that_is_there_stays_as_it_is_and_after_an_error_there_is_none(tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "file").write_text("mine")
    with pytest.raises(UserError, match=f"--out {out}: is there already"), new_folder(out):
        pass
    monkeypatch.chdir(out)
    for there in (".", "..", "/"):
        with pytest.raises(UserError, match=f"--out {there}: is there already"), new_folder(Path(there)):
            pass
    with pytest.raises(UserError, match="cannot be made: Not a directory"), new_folder(out / "file" / "deeper"):
        pass
    with pytest.raises(ValueError), new_folder(tmp_path / "other") as folder:
        (folder / "half").write_text("")
        raise ValueError
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and (out / "file").read_text() == "mine"


def test_a_link_to_an_empty_folder_is_written_through(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "out").symlink_to("there")
    with new_folder(tmp_path / "out") as folder:
        (folder / "file").write_text("")
    assert (tmp_path / "there" / "file").exists() and (tmp_path / "out").is_symlink()


def test_why_a_folder_cannot_be_made_is_one_line(tmp_path):
    make_folder(tmp_path / "a" / "b", "--out a/b")
    make_folder(tmp_path / "a" / "b", "--out a/b")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nothing")
    for folder, why in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "a", "cannot be made: Not a directory"),
                        (tmp_path / "link", "cannot be made: File exists"),
                        (Path("/proc/a"), "cannot be made: No such file or directory")):
        with pytest.raises(UserError, match=f"^--out a: {why}; name another folder$"):
            make_folder(folder, "--out a")
