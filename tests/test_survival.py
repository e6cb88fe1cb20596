"""Runs that are hit by real faults: killed workers, killed drivers, Ctrl-C, a full disk, damaged checkpoints.

Every run is a process of its own on real Ray; what is killed is killed by SIGKILL.
"""

import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.processes import (
    addresses,
    begun,
    command,
    descendants,
    finish,
    isolated,
    kill,
    model,
    newest,
    outcome_of,
    start,
    summary,
    wait_until,
    wait_until_gone,
    workers,
)
from tests.tiny import tiny_once
from tests.toy import toy_table
from utils.machine.scratch import MEMORY, PREFIX, remove_stale
from utils.record.checkpoint import last_checkpoint

KILLS = 20
LONG = "--max_length 32 --batch_size 4 --epoch 4 --n_iterations 40 --skip_evalnum 20 --optimizer_state keep"
SHORT = "--max_length 20 --batch_size 8 --n_iterations 40 --skip_evalnum 10 --val_ratio 0.2"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with a toy table and two tiny models."""
    folder = tmp_path_factory.mktemp("survival")
    toy_table(folder / "data")
    for family in ("bert", "t5"):
        tiny_once(folder, family)
    return folder


@pytest.fixture(scope="module")
def undisturbed(base):
    """Return {name: folder} of runs that nothing happens to."""
    runs = {"long": (LONG, "bert"), "short": (f"{SHORT} --n_workers 1 --transport message", "t5")}

    def run(name):
        done = finish(start(base, name, *runs[name]))
        assert done.returncode == 0, done.stderr[-2000:]
        return base / name

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(runs, pool.map(run, runs)))


def test_twenty_killed_workers_change_no_bit(base, undisturbed):
    chance, killed = random.Random(0), 0
    process = start(base, "killed-workers", f"{LONG} --client_retries 9")
    while process.poll() is None and killed < KILLS:
        wait_until(lambda: workers(process.pid), process)
        time.sleep(chance.uniform(0, 1.5))
        for worker in chance.sample(alive := workers(process.pid), min(1, len(alive))):
            kill(worker)
            killed += 1
    done = finish(process)
    assert done.returncode == 0, done.stderr[-2000:]
    assert killed == KILLS and len(rounds(base / "killed-workers")) == 41
    assert model(base / "killed-workers") == model(undisturbed["long"])
    assert "its worker died" in done.stderr and "actor" not in done.stdout
    failures = [json.loads(line) for line in (base / "killed-workers" / "failures.jsonl").read_text().splitlines()]
    assert failures and all("ray.exceptions" in failure["account"] for failure in failures)


def test_a_worker_whose_memory_is_exhausted_changes_no_bit(base, undisturbed):
    """It may allocate no more from some moment on, as under a limit of its container."""
    process = start(base, "exhausted", LONG)
    wait_until(lambda: newest(base / "exhausted") >= 1 and len(workers(process.pid)) == 2, process)
    worker = workers(process.pid)[0]
    pages = int(Path(f"/proc/{worker}/statm").read_text().split()[0])
    resource.prlimit(worker, resource.RLIMIT_AS, (pages * resource.getpagesize(),) * 2)
    done = finish(process)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "out of memory (lower --n_workers, --batch_size or --max_length)" in done.stderr
    assert model(base / "exhausted") == model(undisturbed["long"])


def test_twenty_killed_drivers_change_no_bit(base, undisturbed):
    """Ten times each of two runs: the driver is killed at a random moment, and the same command goes on."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(kill_driver_often, [base] * 2, ["long", "short"], [LONG, SHORT], ["bert", "t5"],
                      undisturbed.values()))


def kill_driver_often(base: Path, name: str, flags: str, family: str, undisturbed: Path) -> None:
    """Kill a run's driver KILLS / 2 times, resume it each time, and compare its end with the `undisturbed` one's."""
    chance, folder, pids, children, reached = random.Random(name), base / f"killed-drivers-{name}", [], {}, 0
    while len(pids) < KILLS // 2:
        process = start(base, folder.name, f"{flags} --resume", family)
        if chance.random() < 0.4:
            time.sleep(chance.uniform(0, 8))  # in its start, mostly
        else:
            goal = reached + chance.randint(1, 2)
            wait_until(lambda: newest(folder) >= goal, process)
            time.sleep(chance.uniform(0, 0.3))
        children |= descendants(process.pid)
        kill(process.pid)
        process.communicate()
        assert process.returncode == -signal.SIGKILL  # it was at work
        pids.append(process.pid)
        last, before = last_checkpoint(folder / "checkpoints"), reached
        reached = last[0]["round"] if last else 0
        assert reached >= before
    done = finish(start(base, folder.name, f"{flags} --resume", family))
    assert done.returncode == 0, done.stderr[-2000:]
    assert rounds(folder) == rounds(undisturbed) and model(folder) == model(undisturbed)
    assert summary(folder) == summary(undisturbed)
    wait_until_gone(children)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("utils.machine.scratch.SECONDS_TO_LOCK", 0)
        remove_stale()
    assert not [path for pid in pids for place in (MEMORY, Path(tempfile.gettempdir()))
                for path in place.glob(f"{PREFIX}{pid}-*")]


def rounds(folder: Path) -> list[int]:
    return [json.loads(line)["round"] for line in (folder / "rounds.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name, signal_sent", [("interrupted", signal.SIGINT), ("terminated", signal.SIGTERM)])
def test_an_interrupted_run_ends_at_once_and_says_how_to_go_on(base, name, signal_sent):
    process = start(base, name, LONG)
    wait_until(lambda: newest(base / name) >= 2, process)
    children, sent = descendants(process.pid), time.time()
    process.send_signal(signal_sent)
    done = finish(process)
    assert time.time() - sent < 5 and done.returncode == 130
    assert done.stderr.splitlines()[-1].endswith("the same flags and --resume go on from the last whole round")
    assert "failed" not in done.stderr and not (base / name / "failures.jsonl").exists()
    assert "Traceback" not in done.stderr and not list(MEMORY.glob(f"{PREFIX}{process.pid}-*"))
    wait_until_gone(children)


def test_a_run_that_is_resumed_must_be_the_same(base):
    """Also: a finished one only says so."""
    done = finish(start(base, "interrupted", f"{LONG} --resume --epoch 5"))
    assert done.returncode == 2 and "was made with --epoch 4, not 5" in done.stderr


def damage(path: Path, kind: str) -> None:
    """Cut off the end of a file, or change a bit in its middle."""
    data = bytearray(path.read_bytes())
    if kind == "truncated":
        data = data[:len(data) * 2 // 3]
    else:
        data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["truncated", "bit-flipped"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(base, undisturbed, kind):
    folder = base / kind
    shutil.copytree(base / "interrupted", folder)
    last = newest(folder)
    assert len(list(folder.glob("checkpoints/*"))) == 2
    damage(folder / "checkpoints" / f"round-{last}.safetensors", kind)
    done = finish(start(base, kind, f"{LONG} --resume"))
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"round-{last}.safetensors is damaged" in done.stderr
    assert model(folder) == model(undisturbed["long"]) and rounds(folder) == list(range(41))


def test_a_folder_has_one_run_at_a_time(base):
    first = start(base, "shared", SHORT)
    wait_until((base / "shared" / "config.json").exists, first)
    for flags, message in (("--resume", "another run is at work there"), ("", "already holds files")):
        done = finish(start(base, "shared", f"{SHORT} {flags}"))
        assert done.returncode == 2 and message in done.stderr.splitlines()[-1]
        assert "reading the rows" not in done.stderr  # at once, before anything slow
    done = finish(first)
    assert done.returncode == 0, done.stderr[-2000:]
    again = finish(start(base, "shared", f"{SHORT} --resume"))
    assert again.returncode == 0 and again.stdout.splitlines() == done.stdout.splitlines()[-1:]


FULL_DISK = """
set -e
mount -t tmpfs -o size=30m tmpfs {disk}
{python} {command} 2> {disk}.err > /dev/null & run=$!
until ls {disk}/run/checkpoints/round-*.safetensors > /dev/null 2>&1; do sleep 0.05; done
cat /dev/zero > {disk}/filler 2> /dev/null || true
wait $run && code=0 || code=$?
echo $code $(ls -A {disk}/run/checkpoints)
rm {disk}/filler
{python} {command} --resume > /dev/null 2>> {disk}.err
cp -r {disk}/run {disk}.saved
"""


def test_a_full_disk_ends_a_run_with_one_line_and_a_usable_checkpoint(base, undisturbed):
    """On a file system of its own, really filled."""
    disk = base / "disk"
    disk.mkdir()
    script = FULL_DISK.format(disk=disk, python=sys.executable, command=command(base, "disk/run", SHORT, "t5"))
    done = outcome_of([*isolated("--mount"), "bash", "-c", script])
    notes = Path(f"{disk}.err").read_text()
    assert done.returncode == 0, done.stderr + notes
    code, *checkpoints = done.stdout.split()
    assert code == "2" and checkpoints and not [name for name in checkpoints if name.endswith(".tmp")]
    assert sum("No space left on device" in line for line in notes.splitlines()) == 1 and "Traceback" not in notes
    assert "free some space and go on with --resume" in notes
    assert model(Path(f"{disk}.saved")) == model(undisturbed["short"])


def test_a_run_needs_no_network_and_answers_no_other_machine(base):
    """It ends well where there is nothing but loopback; elsewhere its sockets are on loopback alone, both ends."""
    lonely = begun([*isolated("--net"), "bash", "-c", f"ip link set lo up; exec {sys.executable} "
                    f"{command(base, 'lonely', '--n_iterations 1')}"])
    process, seen = start(base, "watched", "--n_iterations 3"), set()
    wait_until(lambda: seen.update(addresses([process.pid, *descendants(process.pid)])), process)
    for done in (finish(process), finish(lonely)):
        assert done.returncode == 0, done.stderr[-2000:]
    assert {state for state, _ in seen} == {"listens", "connected"}
    assert {ip for _, ip in seen} <= {"127.0.0.1", "::1", "0.0.0.0"} and ("listens", "0.0.0.0") not in seen


STRANGER = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1]).get_all_node_info(timeout=9)"


def test_ray_answers_nothing_without_the_runs_token(base):
    """Ray runs what it is sent. Its processes have the token in their environment, which other users cannot read."""
    process = start(base, "guarded", "--n_iterations 1000 --skip_evalnum 1000")
    wait_until(lambda: newest(base / "guarded") >= 1, process)
    [port] = Path(tempfile.gettempdir()).glob(f"{PREFIX}{process.pid}-*/ray/session_latest/gcs_server_port_*")
    own = Path(f"/proc/{workers(process.pid)[0]}/environ").read_text().split("\0")
    ray = dict(line.split("=", 1) for line in own if line.startswith("RAY_"))

    def knock(token: str) -> subprocess.CompletedProcess:
        return outcome_of([sys.executable, "-c", STRANGER, f"127.0.0.1:{port.read_text()}"],
                          {**ray, "RAY_AUTH_TOKEN": token})

    friend, stranger = map(knock, (ray["RAY_AUTH_TOKEN"], "0" * 64))
    kill(process.pid)
    process.communicate()
    assert friend.returncode == 0, friend.stderr[-2000:]
    assert stranger.returncode and "AuthenticationError" in stranger.stderr, stranger.stderr[-2000:]
