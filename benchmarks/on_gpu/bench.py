"""What the parts of `python -m benchmarks.gpu` share: the time that is left, the figures, and runs on one engine."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from benchmarks.common import ROOT, Figure, recorded_rounds
from benchmarks.on_gpu.card import Card
from utils.errors import in_short
from utils.record.runlog import read_json


class NotRun(Exception):
    """A check cannot run here; its words say why."""


@dataclass
class Bench:
    """One run of the program: its `folder` of files, its `card`, its `figures` so far, and why others are missing.

    `wrong` counts the correctness checks that failed. A rehearsal is the same on the CPU, with tiny models.
    """

    folder: Path
    card: Card
    rehearse: bool
    seconds: float  # for all of it
    began: float = field(default_factory=time.perf_counter)
    figures: list[Figure] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)
    wrong: int = 0

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.seconds - (time.perf_counter() - self.began)

    @property
    def limit(self) -> float:
        """Seconds after which a process that hangs is killed."""
        return max(60.0, self.left)

    def attempt(self, what: str, seconds: float, work: Callable[[], list[Figure]], must: bool = False) -> None:
        """Have `work` done if its `seconds` are left, and keep its figures; where it fails, keep why, and go on.

        What `must` hold counts as wrong when it does not, or fails.
        """
        try:
            if self.left < seconds:
                raise NotRun(f"takes up to {seconds:.0f} s, and {max(0, self.left):.0f} s are left of "
                             f"{self.seconds:.0f}")
            found = work()
        except Exception as error:  # whatever a card, a driver or a version of a library may do
            self.not_run[what] = in_short(error, 400)
            self.wrong += must and not isinstance(error, NotRun)
            print(f"{what}: not run: {self.not_run[what]}", file=sys.stderr, flush=True)
            return
        self.figures += found
        self.wrong += must * sum(figure.holds is False for figure in found)
        print(*(figure.row() for figure in found), f"{what}: done, {self.left:.0f} s left", sep="\n", file=sys.stderr,
              flush=True)

    def device(self, share: float = 1.0) -> list:
        """Return the flags that have a run compute on the card, a `share` of it for each client."""
        return [] if self.rehearse else ["--n_gpus", 1, "--gpus_per_client", share]

    def record(self, name: str) -> Path:
        """Return the folder of a run's record."""
        return self.folder / "runs" / name

    def runs(self, workers: int, lines: dict[str, list]) -> None:
        """Have runs {name: flags} done, one after another, by one engine of `workers` workers.

        Raises RuntimeError, naming them, when some fail; the others are done all the same.
        """
        given = [[*map(str, flags), "--n_workers", str(workers), "--run_dir", str(self.record(name))]
                 for name, flags in lines.items()]
        done = subprocess.run([sys.executable, "-m", "tests.runs"], cwd=ROOT, capture_output=True, text=True,
                              input=json.dumps(given), timeout=self.limit)
        missing = [name for name in lines if not (self.record(name) / "summary.json").exists()]
        if missing:
            raise RuntimeError(f"runs {', '.join(missing)} failed: {last_words(done.stderr)}")


def losses(record: Path) -> np.ndarray:
    """Return all losses of a run's rounds, float64: of each client's training, and of each test."""
    found = []
    for one in recorded_rounds(record):
        found += [client["loss"] for client in one.get("clients", ())]
        found += [one["test"]["loss"]] if one.get("test") else []
    return np.array(found)


def weights(folder: Path) -> np.ndarray:
    """Return the weights in a model's folder, end to end, float32."""
    tensors = load_file(folder / "model.safetensors")
    return np.concatenate([tensors[name].ravel() for name in sorted(tensors)])


def moved_apart(one: Path, other: Path, start: Path) -> float:
    """Return how far two runs' models are from each other, over how far the first is from the model in `start`."""
    first, second = (weights(record / "model") for record in (one, other))
    return float(np.linalg.norm(first - second) / np.linalg.norm(first - weights(start)))


def differing(one: Path, other: Path) -> int:
    """Return how many weights of two runs' models differ in a bit."""
    first, second = (weights(record / "model").view(np.uint32) for record in (one, other))
    return int((first != second).sum())


def workers_of(record: Path) -> int:
    """Return the processes that a run's clients ran in."""
    return int(read_json(record / "config.json")["workers"])


def train_seconds(record: Path) -> float:
    """Return the seconds of training in a run's last round."""
    return float(recorded_rounds(record)[-1]["seconds"]["train"])


def last_words(text: str) -> str:
    """Return the end of what a process has written, as a part of one line."""
    return re.sub(r"\s+", " ", text[-1500:]).strip()
