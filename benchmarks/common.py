"""What the benchmarks share: time a program's lines, keep the figures, print them as rows of one Markdown table.

    outcome = timed_lines([sys.executable, "main_lm.py", ...])         a process of its own
    seconds = outcome.at("round=1") - outcome.at("round=0")            between two of its lines
    report("startup", [Figure.at_most("first evaluation", seconds, "s", 6)], options.out)
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from utils.record.runlog import write_json

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "log" / "bench"
HEADER = "| what | figure | target | |\n| --- | --- | --- | --- |"


@dataclass(frozen=True)
class Outcome:
    """A finished process: its stdout as (seconds since its start, line), its length, and its peak memory."""

    lines: list[tuple[float, str]]
    seconds: float
    peak_bytes: int  # resident, of this process alone: not of those that it started
    returncode: int
    stderr: str

    def line(self, prefix: str) -> tuple[float, str]:
        """Return (seconds, text) of the last line that starts with `prefix`, up to a space.

        Raises RuntimeError, with the end of stderr, when there is none or the process failed: a run that
        did not do its work has no time.
        """
        found = [(seconds, text) for seconds, text in self.lines if text == prefix or text.startswith(prefix + " ")]
        if self.returncode or not found:
            raise RuntimeError(f"exit code {self.returncode}, no use of {prefix!r}:\n{self.stderr[-3000:]}")
        return found[-1]

    def at(self, prefix: str) -> float:
        """Return the seconds at which `line(prefix)` came."""
        return self.line(prefix)[0]

    def value(self, prefix: str, key: str) -> float:
        """Return the number after `key=` in `line(prefix)`."""
        return float(dict(word.split("=", 1) for word in self.line(prefix)[1].split() if "=" in word)[key])


def timed_lines(command: list, env: dict[str, str] | None = None, limit: float | None = None,
                look: Callable[[int], None] = lambda pid: None) -> Outcome:
    """Run a command from the repository's root and note when each line of its stdout arrives.

    `env` is added to this process's environment. A process that takes longer than `limit` seconds is killed.
    `look(pid)` is called ten times a second while it runs.
    """
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+", errors="replace") as stderr:
        process = subprocess.Popen(list(map(str, command)), cwd=ROOT, env={**os.environ, **(env or {})}, text=True,
                                   stdout=subprocess.PIPE, stderr=stderr)
        assert process.stdout is not None  # a pipe
        peak, ended = [0], threading.Event()
        watcher = threading.Thread(target=watch_memory, args=(process.pid, peak, ended, look))
        watcher.start()
        killer = threading.Timer(limit or threading.TIMEOUT_MAX, process.kill)
        killer.daemon = True
        killer.start()
        lines = [(time.perf_counter() - began, line.rstrip("\n")) for line in process.stdout]
        returncode, seconds = process.wait(), time.perf_counter() - began
        ended.set()
        killer.cancel()
        watcher.join()
        stderr.seek(0)
        return Outcome(lines, seconds, peak[0], returncode, stderr.read())


def recorded_rounds(run: Path) -> list[dict]:
    """Return the objects of the rounds.jsonl in a run's folder."""
    return list(map(json.loads, (run / "rounds.jsonl").read_text(encoding="utf-8").splitlines()))


def watch_memory(pid: int, peak: list[int], ended: threading.Event, look: Callable[[int], None]) -> None:
    """Write a process's peak resident bytes into `peak[0]`, and `look`, ten times a second until it has ended (Linux).
    """
    status = Path(f"/proc/{pid}/status")
    while not ended.wait(0.1):
        look(pid)
        try:
            found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.M)
        except OSError:
            continue
        peak[0] = int(found[1]) * 1024 if found else peak[0]


@dataclass(frozen=True)
class Figure:
    """One measured number. `target` in words, and whether it holds; "" and None where there is no target."""

    what: str
    value: float
    unit: str
    target: str = ""
    holds: bool | None = None

    @classmethod
    def at_most(cls, what: str, value: float, unit: str, limit: float) -> "Figure":
        """Return a figure that is to be `limit` or less."""
        return cls(what, value, unit, f"≤ {limit:g} {unit}", bool(value <= limit))

    @classmethod
    def at_least(cls, what: str, value: float, unit: str, limit: float) -> "Figure":
        """Return a figure that is to be `limit` or more."""
        return cls(what, value, unit, f"≥ {limit:g} {unit}", bool(value >= limit))

    def row(self) -> str:
        """Return the figure as a row of the table under HEADER."""
        number = f"{self.value:,.0f}" if abs(self.value) >= 1000 else f"{self.value:.4g}"
        return f"| {self.what} | {number} {self.unit} | {self.target} | {VERDICTS[self.holds]} |"


VERDICTS = {None: "", True: "holds", False: "missed"}


def parser(description: str) -> argparse.ArgumentParser:
    """Return a benchmark's parser with the flags that each has: `--small` and `--out` (see `report`)."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--small", action="store_true", help="a made-up task and model: shows that it runs, no more")
    result.add_argument("--out", type=Path, help="folder of the figures (default: log/bench; with --small its small/)")
    return result


def report(name: str, figures: list[Figure], options: argparse.Namespace, more: dict | None = None) -> None:
    """Print the figures as a Markdown table and save them, and `more`, as NAME.json in `options.out`."""
    folder = options.out or (RESULTS / "small" if options.small else RESULTS)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{name}.json",
               {"name": name, "figures": [asdict(figure) for figure in figures], **(more or {})})
    print(HEADER, *(figure.row() for figure in figures), sep="\n", flush=True)


def available() -> int:
    """Return the bytes of memory that can be had (Linux)."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
    return int(found[1]) * 1024 if found else 0
