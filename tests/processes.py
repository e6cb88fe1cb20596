"""Runs as processes: started, waited for, killed as the kernel or a neighbour would; and their sockets."""

import ipaddress
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

#: seconds; no program of a test takes half as long on two busy cores, unless it hangs
HANGS = 600
COMMON = "--lr 1e-3 --precision fp32 --fp32_products torch --seed 4"


def command(base: Path, name: str, flags: str, family: str = "bert", task: str = "rte") -> str:
    """Return the command line of a run whose record is base/name."""
    return (f"main_lm.py {COMMON} --data {task} --model {base}/tiny/{family} --data_dir {base}/data "
            f"--run_dir {base}/{name} {flags}")


def begun(words: Sequence[object], environment: Mapping[str, str] | None = None, cwd: Path = ROOT, **pipes: object
          ) -> subprocess.Popen:
    """Start a program, without the hub, in `environment` beside this one's; its streams are caught but for `pipes`."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | pipes
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONFAULTHANDLER": "1", **(environment or {})}
    return subprocess.Popen([str(word) for word in words], cwd=cwd, env=env, text=True, **pipes)


def finish(process: subprocess.Popen, text: str | None = None) -> subprocess.CompletedProcess:
    """Hand a program `text`, wait for its end and return what it said.

    One that hangs fails the test, with the stacks of its threads: Python says them when it is told to abort.
    """
    try:
        out, err = process.communicate(text, timeout=HANGS)
    except subprocess.TimeoutExpired:
        below = descendants(process.pid)
        for pid in (process.pid, *below):
            kill(pid, signal.SIGABRT)
        out, err = process.communicate()
        raise AssertionError(f"{process.args} hung, with {sorted(below.values())}: {err}") from None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def outcome_of(words: Sequence[object], environment: Mapping[str, str] | None = None, cwd: Path = ROOT,
               text: str | None = None, **pipes: object) -> subprocess.CompletedProcess:
    """Run a program to its end as `begun` and `finish` do, and return what it said."""
    stdin = {} if text is None else {"stdin": subprocess.PIPE}
    return finish(begun(words, environment, cwd, **stdin, **pipes), text)


def run_script(script: str, *flags: object, **environment: str) -> subprocess.CompletedProcess:
    """Run a script of the project to its end, as typed in its folder."""
    return outcome_of([sys.executable, script, *flags], environment)


def start(base: Path, name: str, flags: str, family: str = "bert", task: str = "rte", **pipes) -> subprocess.Popen:
    """Start a run whose record is base/name."""
    return begun([sys.executable, *command(base, name, flags, family, task).split()], **pipes)


def drive(commands: list[str], cwd: Path = ROOT) -> None:
    """Have command lines of main_lm.py done one after another in one process and engine; all must end well.

    `cwd`: the project's folder.
    """
    words = [shlex.split(command)[1:] for command in commands]
    driver = outcome_of([sys.executable, "-m", "tests.runs"], cwd=cwd, text=json.dumps(words))
    assert driver.returncode == 0, driver.stderr[-3000:]


def wait_until(condition: Callable[[], object], process: subprocess.Popen, seconds: float = HANGS) -> None:
    """Wait until `condition()` holds or the process has ended."""
    end = time.time() + seconds
    while process.poll() is None and not condition():
        assert time.time() < end
        time.sleep(0.02)


def model(folder: Path) -> bytes:
    """Return the bytes of a run's weights."""
    return (folder / "model" / "model.safetensors").read_bytes()


def summary(folder: Path) -> dict[str, Any]:
    """Return what a run's summary says but for its time."""
    found = json.loads((folder / "summary.json").read_text())
    del found["seconds"]
    return found


def rounds(folder: Path) -> list[dict[str, Any]]:
    """Return a run's rounds but for their times."""
    found = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    for timed in (*found, *(client for record in found for client in record["clients"])):
        del timed["seconds"]
    return found


def newest(folder: Path) -> int:
    """Return the round of the newest checkpoint."""
    return max((int(path.stem.partition("-")[2]) for path in folder.glob("checkpoints/*.safetensors")), default=0)


def descendants(pid: int) -> dict[int, str]:
    """Return {pid: command line} of all living processes that `pid` has started, and those have."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(folder.name)] = int(parent)
                names[int(folder.name)] = command_line(int(folder.name)).replace(b"\0", b" ").decode()
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return {child: names[child] for child in found - {pid} if child in names}


def workers(pid: int) -> list[int]:
    """Return the processes in which the driver `pid` has its clients run."""
    return sorted(child for child, name in descendants(pid).items() if name.startswith("ray::ClientAppActor"))


def wait_until_gone(below: dict[int, str]) -> None:
    """Wait until none of these processes is left: the kernel ends them with the driver that started them."""
    end = time.time() + 60
    while left := [name for pid, name in below.items() if command_line(pid)]:
        assert time.time() < end, left
        time.sleep(0.1)


def command_line(pid: int) -> bytes:
    """Return a process's command line; nothing if it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Kill it, or send it another signal, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def isolated(*options: str) -> list[str]:
    """Return the command that runs another one in namespaces of its own; skip where that is not allowed."""
    words = ["unshare", "--map-root-user", *options]
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a user make namespaces (unshare)")
    return words


def addresses(pids: list[int]) -> set[tuple[str, str]]:
    """Return (state, address) of the TCP sockets of these processes: the own one if it listens, else the peer's."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(OSError):
                inodes.add(os.readlink(link))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, own, peer, state, *rest = line.split()
            if f"socket:[{rest[5]}]" in inodes:
                listens = state == "0A"
                ip = address((own if listens else peer).partition(":")[0])
                found.add(("listens" if listens else "connected", ip))
    return found


def address(digits: str) -> str:
    """Return an address that the kernel shows as hexadecimal 32-bit words in this machine's order."""
    words = b"".join(bytes.fromhex(digits[k:k + 8])[::-1] for k in range(0, len(digits), 8))
    ip = ipaddress.ip_address(words)
    return str(getattr(ip, "ipv4_mapped", None) or ip)
