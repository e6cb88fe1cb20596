"""A process that has shut itself in tries all ways out."""

import json
import subprocess
import sys

from tests.conftest import ROOT

TRIES = """
import json, os, resource, signal, socket, sys, threading
from pathlib import Path
from utils.machine.confined import confine
folder = Path(sys.argv[1])
held = open(folder / "held", "wb", buffering=0)
confine(256 << 20, 30, 1 << 20)
tries = {
    "internet": lambda: socket.socket(),
    "neighbours": lambda: socket.socket(socket.AF_UNIX),
    "pair": lambda: socket.socketpair(),
    "program": lambda: os.execv("/bin/true", ["true"]),
    "process": os.fork,
    "spawned": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "thread": lambda: threading.Thread(target=print).start(),
    "signal": lambda: os.kill(os.getppid(), 0),
    "new file": lambda: open(folder / "new", "w"),
    "old file": lambda: open(folder / "mine", "r+"),
    "longer file": lambda: open(folder / "mine", "a"),
    "emptied file": lambda: os.open(folder / "mine", os.O_RDONLY | os.O_TRUNC),
    "shortened file": lambda: os.truncate(folder / "mine", 0),
    "removed": lambda: os.unlink(folder / "mine"),
    "renamed": lambda: os.rename(folder / "mine", folder / "theirs"),
    "folder": lambda: os.mkdir(folder / "sub"),
    "link": lambda: os.symlink("mine", folder / "link"),
    "second name": lambda: os.link(folder / "mine", folder / "second"),
    "mode": lambda: os.chmod(folder / "mine", 0),
    "own memory": lambda: open("/proc/self/mem", "r+b"),
    "limits": lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    "much memory": lambda: bytearray(512 << 20),
}
found = {}
for name, attempt in tries.items():
    try:
        attempt()
        found[name] = "done"
    except (OSError, RuntimeError, MemoryError, ValueError) as error:
        found[name] = type(error).__name__
held.write(b"held")
found["read"] = (folder / "mine").read_text()
try:
    os.write(held.fileno(), bytes(2 << 20)), os.write(held.fileno(), b"more")
except OSError as error:
    found["large file"] = type(error).__name__
print(json.dumps(found))
"""


def test_there_is_no_way_out(tmp_path):
    (tmp_path / "mine").write_text("mine")
    done = subprocess.run([sys.executable, "-c", TRIES, tmp_path], cwd=ROOT, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert (found.pop("read"), found.pop("large file"), found.pop("much memory")) == ("mine", "OSError", "MemoryError")
    assert (found.pop("thread"), found.pop("limits")) == ("RuntimeError", "ValueError")  # what Python makes of EPERM
    assert len(found) > 15 and set(found.values()) == {"PermissionError"}, found
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "held"}
    assert (tmp_path / "mine").read_text() == "mine" and (tmp_path / "held").read_bytes()[:4] == b"held"
