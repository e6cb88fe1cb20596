"""Limits of the shell; tests/test_machines.py has runs within them, and runs that they refuse."""

import os
import resource
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from utils.errors import UserError
from utils.machine.limits import check_limits


def test_processes_are_counted_only_for_users_whose_processes_the_kernel_counts(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda number: (100 if number == resource.RLIMIT_NPROC else -1,) * 2)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    check_limits()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match="ulimit -u 100: a run needs at least 256"):
        check_limits()


@pytest.mark.parametrize("limits, size", [
    ("true", "None"), ("ulimit -v 8388608", str(2**31)), ("ulimit -f 1048576", str(2**29)),
    ("ulimit -v 8388608 -f 1048576", str(2**29)), ("ulimit -S -n 64", "None")])
def test_rays_store_fits_and_a_limit_that_ray_lifts_is_none(limits, size):
    code = "from utils.machine.limits import *; check_limits(); print(object_store_bytes())"
    done = subprocess.run(["bash", "-c", f"{limits}\nexec {sys.executable} -c '{code}'"], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.stdout.strip() == size, done.stderr


def test_python_without_docstrings_is_refused():
    code = "from utils.machine.limits import *; check_limits()"
    done = [subprocess.run([sys.executable, option, "-c", code], cwd=ROOT, capture_output=True, text=True)
            for option in ("-O", "-OO")]
    assert done[0].returncode == 0 and "PYTHONOPTIMIZE=2" in done[1].stderr
