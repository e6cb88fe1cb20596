"""Every name look-up, connection and request of the commands to a hub on loopback; and a hub that moves on."""

import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.hub import Hub
from tests.preprocess.test_sources import GLUE, splits
from tests.processes import finish, kill, newest, run_script, wait_until
from tests.tiny import tiny_once

#: Python runs it at the start of each process that has its folder on the path
WATCH = """
import os, socket, sys
def watch(event, args):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        note(args[0])
    if event in ("socket.connect", "socket.sendto") and type(args[1]) is tuple and args[0].type == socket.SOCK_STREAM:
        note(args[1][0])
def note(host):
    with open(os.environ["WATCHED"], "a") as file:
        print(host if isinstance(host, str) else (host or b"").decode(), file=file)
sys.addaudithook(watch)
"""
#: the ways of a model's and a data set's files, and nothing else
ASKED = re.compile(r"GET /api/(models|datasets)/[\w-]+/[\w-]+(/revision/[\w.]+|/tree/[0-9a-f]{40}\?.*)?|"
                   r"(GET|HEAD) /(datasets/)?[\w-]+/[\w-]+/resolve/[0-9a-f]{40}/[\w./-]+|GET /lfs/.*")
FLAGS = ("--data rte --model tiny/bert --max_length 16 --test 24 --n_iterations 3 --precision fp32 "
         "--fp32_products torch --n_workers 1 --centralized")


class Watched:
    """A hub, and commands whose connections are watched."""

    def __init__(self, base: Path, hub: Hub) -> None:
        self.base, self.hub = base, hub
        (base / "hook").mkdir()
        (base / "hook" / "sitecustomize.py").write_text(WATCH)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        self.environment |= hub.environment() | {"PYTHONPATH": str(base / "hook"), "WATCHED": str(base / "watched")}

    def start(self, *words: object) -> subprocess.Popen:
        """Start a script of the project."""
        return subprocess.Popen([sys.executable, *map(str, words)], cwd=ROOT, text=True, env=self.environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *flags: str) -> subprocess.Popen:
        """Start a run with its record in `run`."""
        places = "--data_dir", self.base / "data", "--run_dir", self.base / "run"
        return self.start("main_lm.py", *FLAGS.split(), *places, *flags)

    def strangers(self) -> set[str]:
        """Return the hosts that were looked up or connected to, but for this machine."""
        hosts = set((self.base / "watched").read_text().split())
        assert "127.0.0.1" in hosts
        return {host for host in hosts if not is_here(host)}


def is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """A run that was killed, and resumed after the model's main branch had moved on: Watched, and the two commits."""
    base = tmp_path_factory.mktemp("network")
    folder = shutil.copytree(tiny_once(tmp_path_factory.getbasetemp(), "bert"), base / "bert")
    with Hub(base) as hub:
        hub.add_dataset(GLUE, {"rte": splits(90)})
        watched, first = Watched(base, hub), hub.add_model("tiny/bert", folder)
        process = watched.run()
        wait_until(lambda: newest(base / "run"), process)
        kill(process.pid)
        process.communicate()
        tokenizer = folder / "tokenizer.json"
        tokenizer.write_text(tokenizer.read_text().replace("##ing", "##gni"))
        second = hub.add_model("tiny/bert", folder)
        hub.add_dataset(GLUE, {"rte": splits(60)})
        shutil.rmtree(base / "data")  # it is made again, of the rows that the run began with
        done = finish(watched.run("--resume"))
        assert done.returncode == 0, done.stderr
        yield watched, first, second


def test_a_killed_run_goes_on_with_its_commit_when_the_hub_has_moved_on(moved):
    watched, first, second = moved
    run, rows = watched.base / "run", next(iter(watched.hub.datasets[GLUE].commits))
    config, summary = (json.loads((run / f"{name}.json").read_text()) for name in ("config", "summary"))
    assert config["model_commit"] == summary["model_commit"] == first != second
    assert config["flags"]["model"] == "tiny/bert" and config["data_source"] == f"hub@{rows}"
    assert "##ing" in (run / "model" / "tokenizer.json").read_text()
    assert f"`tiny/bert` (commit `{first}`)" in (run / "model" / "README.md").read_text()
    assert not any(second in request.path for request in watched.hub.requests)
    for asked in (f"tiny/bert@{second}", "tiny/bert@main"):
        done = finish(watched.run("--resume", "--model", asked))
        assert done.returncode == 2 and f"was made with --model tiny/bert, not {asked}; give the same" in done.stderr
    done = finish(watched.run("--resume", "--model", f"tiny/bert@{first}"))
    assert done.returncode == 0 and "is finished" in done.stderr


def test_nobody_is_asked_but_the_hub_and_for_nothing_but_what_is_needed(moved):
    """By the runs above, and by the commands beside them."""
    watched, _, _ = moved
    for words in (["preprocess/rte.py", "--out", watched.base / "again"], ["report.py", watched.base / "run"],
                  ["sweeps/run.py", "sweeps/mini.toml", "--dry_run"]):
        done = finish(watched.start(*words))
        assert done.returncode == 0, done.stderr
    assert watched.strangers() == set()
    for request in watched.hub.requests:
        assert ASKED.fullmatch(f"{request.method} {request.path}"), request.path
        assert not request.body and not request.authorization
        assert "torch/" not in request.headers["user-agent"] and "agent/" not in request.headers["user-agent"]


@pytest.mark.parametrize("script", ["main_lm.py", "preprocess/rte.py"])
def test_an_endpoint_that_is_no_address_is_one_line(script):
    """The client of the hub cannot even be imported with it."""
    done = run_script(script, HF_ENDPOINT="http://[::1")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1) and "HF_ENDPOINT" in done.stderr
