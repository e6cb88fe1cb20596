"""What of the user's shell is left out, and that the page about it is true; tests/test_machines.py has whole runs."""

import logging
import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from utils.errors import UserError
from utils.machine.environment import EVERYWHERE, FIGURES, FLOWER, RAY, check_variables, leave_out

WARN = """
import warnings
from utils.machine.workers import quiet_environment
quiet_environment(own_ray=True)
warnings.warn("old", DeprecationWarning)
warnings.warn("odd", UserWarning)
"""


@pytest.fixture
def shell(monkeypatch):
    """Have the environment be {name: value} until the test ends."""
    return lambda **variables: monkeypatch.setattr(os, "environ", variables)


def test_what_is_left_out_is_noted_and_the_rest_stays(shell, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("lm"), "propagate", True)
    shell(RAY_ADDRESS="x", RAY_memory_usage_threshold="0.9", OMP_PLACES="{0}", OMP_NUM_THREADS="3", XRAY_="", PATH="p",
          grpc_proxy="y", http_proxy="z", NUMBA_CACHE_DIR="/c", NUMBA_OPT="0", FLWR_LOG_LEVEL="ERROR")
    with caplog.at_level(logging.INFO, "lm"):
        leave_out((*EVERYWHERE, FLOWER, RAY), {"FLWR_LOG_LEVEL": "ERROR", "RAY_AUTH_MODE": "token"})
    assert os.environ == {"RAY_memory_usage_threshold": "0.9", "OMP_NUM_THREADS": "3", "XRAY_": "", "PATH": "p",
                          "http_proxy": "z", "NUMBA_CACHE_DIR": "/c", "FLWR_LOG_LEVEL": "ERROR",
                          "RAY_AUTH_MODE": "token"}
    assert caplog.messages == ["left out of the environment (docs/environment.md says why): NUMBA_OPT, OMP_PLACES, "
                               "RAY_ADDRESS, grpc_proxy"]


@pytest.mark.parametrize("name", ["HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"])
def test_a_number_that_a_library_could_not_read_is_refused(name, monkeypatch):
    for wrong in ("x", "1.5", "-1"):
        monkeypatch.setenv(name, wrong)
        with pytest.raises(UserError, match=f"{name} {wrong}: must be a whole number of seconds"):
            check_variables()
    monkeypatch.setenv(name, "")
    check_variables()
    assert name not in os.environ


def test_a_cluster_that_is_there_keeps_its_own_variables(shell):
    shell(RAY_AUTH_TOKEN="theirs", RAY_USE_TLS="1", MKL_CBWR="AVX")
    leave_out((*EVERYWHERE, FLOWER))
    assert os.environ == {"RAY_AUTH_TOKEN": "theirs", "RAY_USE_TLS": "1"}


def test_a_warning_ends_nothing_though_python_began_with_that():
    done = subprocess.run([sys.executable, "-c", WARN], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "PYTHONWARNINGS": "error"})
    assert done.returncode == 0 and "UserWarning: odd" in done.stderr and "DeprecationWarning" not in done.stderr


def test_the_page_names_all_that_is_left_out_and_nothing_else():
    page = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
    rows = [row.split("|") for row in page.splitlines() if row.startswith("| `")]
    decided = {decision: {name for row in rows if row[2].strip() == decision
                          for name in re.findall(r"`(\S+?)`", row[1])}
               for decision in ("left out", "respected", "set", "refused")}
    assert sum(map(len, decided.values())) == len(re.findall("`", "".join(row[1] for row in rows))) // 2
    rules = (*EVERYWHERE, FLOWER, RAY)
    assert FIGURES in rules
    assert decided["left out"] == {name for rule in rules for name in rule.names}
    whys = {tuple(re.findall(r"`(\S+?)`", row[1])): row[3].replace("`", "").strip() for row in rows}
    assert all(whys[rule.names].startswith(rule.why) for rule in rules)
    assert {name for rule in rules for name in rule.kept} <= decided["respected"] | decided["set"]


@pytest.mark.parametrize("address", ["nonsense", "http://", "http://[::1", "http://host:port", "http://h:99999",
                                     "https://exa mple", "file:///etc", "localhost:80"])
def test_an_endpoint_that_is_none_is_one_line(monkeypatch, address):
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(UserError, match="HF_ENDPOINT .* is no address of a hub"):
        check_variables()


def test_an_empty_endpoint_is_the_public_one(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "")
    check_variables()
    assert "HF_ENDPOINT" not in os.environ
