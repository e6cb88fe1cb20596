"""Runs on machines as they are: what shells export, folders that shadow, closed pipes and terminals, poor file systems.

Each run is a process of its own on real Ray, and must give the bits of one that nothing disturbs.
"""

import fcntl
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import processes
from tests.conftest import ROOT
from tests.processes import (
    HANGS,
    begun,
    command,
    descendants,
    isolated,
    model,
    newest,
    outcome_of,
    wait_until,
    wait_until_gone,
)
from tests.tiny import tiny_once
from tests.toy import toy_table
from utils.machine.limits import NEEDS

FLAGS = "--n_iterations 1 --max_length 32 --batch_size 8"
RAY_AND_FLOWER = {
    "RAY_ADDRESS": "127.0.0.1:9", "RAY_AUTH_TOKEN": "abc", "RAY_AUTH_TOKEN_PATH": "/none", "RAY_USE_TLS": "1",
    "RAY_TMPDIR": "/none", "RAY_NAMESPACE": "other", "RAY_RUNTIME_ENV_HOOK": "no.such.hook", "RAY_DEDUP_LOGS": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1", "RAY_gcs_server_request_timeout_seconds": "0", "RAY_CLIENT_MODE": "1",
    "RAY_num_workers_soft_limit": "0", "RAY_OVERRIDE_JOB_RUNTIME_ENV": "1", "RAY_memory_monitor_refresh_ms": "0",
    "FLWR_LOG_LEVEL": "DEBUG", "FLWR_HOME": "/proc/none", "FLWR_TELEMETRY_ENABLED": "1", "GRPC_TRACE": "all",
    "GRPC_VERBOSITY": "DEBUG", "GRPC_POLL_STRATEGY": "none", "grpc_proxy": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "all_proxy": "socks5://127.0.0.1:9",
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "cpp", "COLUMNS": "1", "NO_COLOR": "1", "TQDM_DISABLE": "1",
    "TQDM_MININTERVAL": "nonsense"}
PYTHON_AND_MATHS = {
    "PYTHONWARNINGS": "error", "PYTHONINSPECT": "1", "PYTHONSTARTUP": "/none", "PYTHONOPTIMIZE": "1",
    "PYTHONHASHSEED": "3", "PYTHONNOUSERSITE": "1", "PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C",
    "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONSAFEPATH": "1", "HOME": "/none", "TMPDIR": "/none",
    "XDG_CACHE_HOME": "/proc/none", "OMP_NUM_THREADS": "7", "OMP_PROC_BIND": "true", "OMP_PLACES": "{0}",
    "OMP_THREAD_LIMIT": "1", "OMP_DYNAMIC": "true", "OMP_WAIT_POLICY": "ACTIVE", "KMP_AFFINITY": "compact",
    "GOMP_CPU_AFFINITY": "0", "MKL_NUM_THREADS": "5", "MKL_CBWR": "COMPATIBLE", "OPENBLAS_NUM_THREADS": "3",
    "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "NUMBA_DISABLE_JIT": "1", "NUMBA_NUM_THREADS": "0", "NUMBA_CACHE_DIR": "/proc/none", "RAYON_NUM_THREADS": "0",
    "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": "none", "USE_TORCH": "0", "MPLBACKEND": "nonsense",
    "MPLCONFIGDIR": "/proc/none"}


def start(base: Path, name: str, flags: str = FLAGS, before: str = "", environment: dict[str, str] | None = None,
          **options) -> subprocess.Popen:
    """Start a run whose record is base/name, after the shell has done what is `before`."""
    words = [sys.executable, str(ROOT / command(base, name, flags))]
    return begun(["bash", "-c", f"{before}\nexec {' '.join(words)}"], environment, **options)


def finish(process: subprocess.Popen, code: int = 0) -> str:
    """Wait for a run's end with exit code `code`; return its stderr."""
    error = processes.finish(process).stderr or ""
    assert process.returncode == code, error[-3000:]
    assert "Traceback" not in error and "Exception ignored" not in error, error[-3000:]
    return error


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with a toy table, a tiny model, and the record of a run that nothing disturbs: `plain`."""
    base = tmp_path_factory.mktemp("machines")
    toy_table(base / "data")
    tiny_once(base, "bert")
    finish(start(base, "plain"))
    return base


def test_what_a_shell_exports_and_a_folder_holds_changes_no_bit(base):
    """One is started among files that are called as the project's and Python's; of the other, a pipe reads a line."""
    shadow = base / "shadow"
    shadow.mkdir()
    for name in ("utils", "clients", "engine", "preprocess", "random"):
        (shadow / f"{name}.py").write_text(f"raise SystemExit('the wrong {name}.py')")
    (shadow / "strategies").mkdir()
    (shadow / "strategies" / "__init__.py").touch()
    maths = PYTHON_AND_MATHS | {"PYTHONPATH": f"{ROOT}:{shadow / 'strategies'}"}
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: finish(start(base, "ray", environment=RAY_AND_FLOWER, cwd=shadow)))
        piped = pool.submit(lambda: finish(start(base, "maths", before="exec > >(head -n 1 > /dev/null)",
                                                 environment=maths)))
    said = first.result()
    [line] = [line for line in said.splitlines() if line.startswith("left out of the environment")]
    assert {"RAY_ADDRESS,", "RAY_USE_TLS,", "GRPC_TRACE,"} <= set(line.split())
    assert "RAY_memory_monitor_refresh_ms" not in line and "proxy" not in line.replace("grpc_proxy", "")
    assert "stdout has no reader any more" in piped.result() and "ATEN_CPU_CAPABILITY" in piped.result()
    assert model(base / "ray") == model(base / "plain") == model(base / "maths")


def test_a_closed_terminal_ends_a_run_as_ctrl_c_does_but_for_nohup(base):
    """The terminal is a real one, of which the run is the foreground job."""
    ours, theirs = pty.openpty()
    terminal = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    long = "--max_length 16 --batch_size 8 --n_iterations 3000 --skip_evalnum 3000"
    ended = start(base, "ended", long, start_new_session=True, **terminal,
                  preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    kept = start(base, "kept", FLAGS.replace("iterations 1", "iterations 9"), "trap '' HUP INT", **terminal)
    os.close(theirs)
    wait_until(lambda: newest(base / "ended") >= 1 and (base / "kept" / "config.json").exists(), ended)
    children = descendants(ended.pid)
    kept.send_signal(signal.SIGINT)  # a shell's background job ignores it
    os.close(ours)
    kept.send_signal(signal.SIGHUP)
    assert ended.wait(60) == 130 and kept.wait(HANGS) == 0
    assert (base / "kept" / "summary.json").exists()
    wait_until_gone(children)


def test_a_terminal_that_is_closed_while_ray_starts_ends_the_run_too(base):
    """Its whole group gets the signal, Ray's processes with it: they are not to go before the driver has ended them."""
    run = start(base, "early", FLAGS, start_new_session=True)
    wait_until(lambda: any("gcs_server" in name for name in descendants(run.pid).values()), run)
    os.killpg(run.pid, signal.SIGHUP)
    assert "interrupted" in finish(run, 130).splitlines()[-1]


LOCKLESS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int there(int descriptor) {
    char link[64], path[PATH_MAX + 1] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    return readlink(link, path, PATH_MAX) > 0 && !strncmp(path, getenv("LOCKLESS"), strlen(getenv("LOCKLESS")));
}

int flock(int descriptor, int operation) {
    if (!there(descriptor)) return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(descriptor, operation);
    errno = atoi(getenv("NO_LOCK"));
    return -1;
}

int fsync(int descriptor) {
    struct stat kind;
    if (!there(descriptor) || fstat(descriptor, &kind) || !S_ISDIR(kind.st_mode))
        return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(descriptor);
    errno = atoi(getenv("NO_SYNC"));
    return -1;
}
"""


@pytest.fixture(scope="module")
def lockless(base):
    """The environment of a process whose C library finds no locks, and no way to sync folders, in `base`."""
    if shutil.which("gcc") is None:
        pytest.skip("no C compiler (gcc) is here")
    (base / "lockless.c").write_text(LOCKLESS)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", base / "lockless.so", base / "lockless.c", "-ldl"], check=True)
    return {"LD_PRELOAD": str(base / "lockless.so"), "LOCKLESS": str(base), "NO_LOCK": "37", "NO_SYNC": "22"}


def test_a_file_system_without_locks_within_the_least_limits_changes_no_bit(base, lockless):
    least = "".join(f"ulimit {need.flag} {need.least}\n" for need in NEEDS if need.flag != "-u")
    said = finish(start(base, "lockless", before=least, environment=lockless))
    assert said.count("its file system has no locks: see to it that no other run") == 1
    assert said.count("its file system does not say when a file's name is on disk") == 1
    assert model(base / "lockless") == model(base / "plain")
    said = finish(start(base, "lockless", environment=lockless), 2)  # what is left that keeps two runs apart
    assert "already holds files" in said.splitlines()[-1]


HOLD = """
import os, sys, pathlib
from utils.machine.durable import held, sync_folder, whole_file
folder = pathlib.Path(sys.argv[1])
with held(folder / "lock") as locked, held(folder / "lock") as again:
    print(locked, again, sync_folder(folder))
with whole_file(folder / "file") as path:
    path.write_text("whole")
"""


@pytest.mark.parametrize("lock, sync", [(38, 9), (37, 22), (95, 95)])
def test_what_a_file_system_cannot_do_is_told_and_what_goes_wrong_is_raised(base, lockless, tmp_path, lock, sync):
    def hold(**numbers: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, **lockless, "LOCKLESS": str(tmp_path), **numbers}
        return subprocess.run([sys.executable, "-c", HOLD, tmp_path], cwd=ROOT, env=environment, capture_output=True,
                              text=True)

    done = hold(NO_LOCK=str(lock), NO_SYNC=str(sync))
    assert done.stdout == "False False False\n" and (tmp_path / "file").read_text() == "whole", done.stderr
    assert "BlockingIOError" in hold(NO_LOCK="11").stderr and "OSError: [Errno 5]" in hold(NO_SYNC="5").stderr


@pytest.mark.parametrize("need", [need for need in NEEDS if need.flag != "-u"], ids=lambda need: need.flag)
def test_a_limit_that_is_too_low_is_one_line_at_once(base, need):
    began = time.monotonic()
    said = finish(start(base, "limited", before=f"ulimit {need.flag} {need.least - 1}"), 2)
    assert said.splitlines()[-1].startswith(f"main_lm.py: ulimit {need.flag} {need.least - 1}: a run needs at least")
    assert time.monotonic() - began < 15 and not (base / "limited").exists()


def test_a_long_temporary_folder_and_a_tmp_that_cannot_be_written_to(base):
    """The user is in no list and has no home either, as in some containers."""
    place = base / "a-folder-for-temporary-files-with-a-long-name"
    place.mkdir()
    script = f"""set -e
mount --bind /tmp /tmp; mount -o remount,ro,bind /tmp; mount -t tmpfs tmpfs {place}
mkdir {place}/T; export TMPDIR={place}/T; unset HOME USER LOGNAME
unshare --user --map-user=12345 {sys.executable} {command(base, place.name + '/run', FLAGS)}
cmp {place}/run/model/model.safetensors {base}/plain/model/model.safetensors
mount -t tmpfs -o ro tmpfs /dev/shm; code=0
{sys.executable} {command(base, place.name + '/other', FLAGS)} || code=$?; [ $code = 2 ]"""
    done = outcome_of([*isolated("--mount"), "bash", "-c", script])
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-3000:]
    assert "is too long a path for Ray's sockets" in done.stderr.splitlines()[-1]
