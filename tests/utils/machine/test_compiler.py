"""What keeps `--compile` from working is one line that says what to do."""

import sys
import sysconfig

import pytest

from utils.errors import UserError
from utils.machine.compiler import check_compiler


def refusal(n_gpus):
    with pytest.raises(UserError) as error:
        check_compiler(n_gpus)
    return str(error.value)


def test_without_a_compiler_headers_or_triton(tmp_path, monkeypatch):
    headers = tmp_path / "include"
    headers.mkdir()
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "--compile: needs a compiler (g++, clang++, c++)" in refusal(0)
    assert "--compile: needs a compiler (gcc, clang, cc)" in refusal(1)
    for name in ("my-c++", "gcc"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("CXX", "my-c++ -O1")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(headers))
    assert "Python.h" in refusal(0)
    (headers / "Python.h").touch()
    check_compiler(0)
    monkeypatch.setitem(sys.modules, "triton", None)  # as if it were not installed
    assert "--compile: needs Triton" in refusal(1)
