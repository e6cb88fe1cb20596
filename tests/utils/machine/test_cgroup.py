"""The limits of control groups: of both versions, seen from outside and from inside of a container, and real ones."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from utils.machine import workers
from utils.machine.cgroup import cpu_quota, memory_limit
from utils.machine.workers import usable_cores

V2 = "30 23 0:26 {root} {tree} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1 = """33 31 0:30 {root} {tree} rw,nosuid - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 {root} {tree} rw - cgroup cgroup rw,memory"""
DISK = "22 1 8:1 / / rw - ext4 /dev/sda rw\n"


@pytest.fixture
def process(tmp_path):
    """Return made(groups, mounts, files) → a folder like /proc/self of a process in the tree `files`."""

    def made(groups: str, mounts: str, root: str, files: dict[str, str]) -> Path:
        tree = tmp_path / "tree"
        for name, text in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text + "\n")
        (tmp_path / "cgroup").write_text(groups + "\n")
        (tmp_path / "mountinfo").write_text(DISK + mounts.format(tree=tree, root=root))
        return tmp_path

    return made


@pytest.mark.parametrize("groups, mounts, root, files, cores, memory", [
    ("0::/job/run", V2, "/", {"job/run/cpu.max": "max 100000", "job/cpu.max": "150000 100000",
                              "job/memory.max": "4096", "job/run/memory.max": "8192"}, 1.5, 4096),
    ("0::/", V2, "/", {"cpu.max": "50000 100000", "memory.max": "max"}, 0.5, math.inf),
    ("0::/docker/id", V2, "/docker/id", {"cpu.max": "300000 100000", "memory.max": "1"}, 3, 1),
    ("0::/../other", V2, "/", {"cpu.max": "200000 100000"}, 2, math.inf),
    ("4:memory:/m\n3:cpu,cpuacct:/job", V1, "/",
     {"job/cpu.cfs_quota_us": "250000", "job/cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "-1",
      "cpu.cfs_period_us": "100000", "m/memory.limit_in_bytes": "77"}, 2.5, 77),
    ("3:cpu,cpuacct:/docker/id\n0::/", V1, "/docker/id",
     {"cpu.cfs_quota_us": "100000", "cpu.cfs_period_us": "100000"}, 1, math.inf),
    ("1:name=systemd:/", "", "/", {}, math.inf, math.inf),
])
def test_the_least_of_a_groups_limits_and_those_above_it_counts(process, groups, mounts, root, files, cores, memory):
    proc = process(groups, mounts, root, files)
    assert cpu_quota(proc) == cores and memory_limit(proc) == memory


def test_where_there_are_no_control_groups_nothing_is_limited(tmp_path):
    assert cpu_quota(tmp_path) == memory_limit(tmp_path) == math.inf


@pytest.mark.parametrize("quota, cores", [(0.2, 1), (1.0, 1), (1.5, 2), (2.0, 2), (99.5, 4), (math.inf, 4)])
def test_a_quota_counts_as_cores_rounded_up(monkeypatch, quota, cores):
    monkeypatch.setattr(workers, "cpu_quota", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert usable_cores() == cores


def test_a_real_group_with_a_quota(tmp_path):
    group = Path(f"/sys/fs/cgroup/{'cpu' if Path('/sys/fs/cgroup/cpu').is_dir() else ''}/averaging-test-{os.getpid()}")
    limit = "cpu.cfs_quota_us" if group.parent.name == "cpu" else "cpu.max"
    try:
        group.mkdir()
        (group / limit).write_text("70000")
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"no control group can be made here ({error.strerror})")
    try:
        code = f"import os; open('{group}/cgroup.procs', 'w').write(str(os.getpid()))\n" \
               "from utils.machine.cgroup import cpu_quota\nfrom utils.machine.workers import usable_cores\n" \
               "print(cpu_quota(), usable_cores())"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
        assert done.stdout == "0.7 1\n", done.stderr
    finally:
        group.rmdir()
