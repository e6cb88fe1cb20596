"""What travels, is kept and is held where adapters alone are trained (`--train lora`), beside a run that trains all.

    python -m benchmarks.adapters      MiniLM, and a BERT-base of random weights (110 M)

Short runs of main_lm.py with two clients on two workers. Memory is a process's own (anonymous) resident memory at its
highest while rounds are at work, looked at ten times a second: before and after, to load and to save, a process has all
weights for a moment. The weights that are not trained are mapped from a file, and the sum of the processes' parts of
its pages (PSS) is what they take together.
"""

import argparse
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from benchmarks.common import ROOT, Figure, parser, report, timed_lines
from benchmarks.rows import toy_flags, workspace
from benchmarks.scale import BERTS, Memory, random_bert
from tests.processes import workers
from utils.console import notes_to_stderr

ROUNDS = 4
OF_TOY = 60  # rounds that take no time: their checkpoints must be met
RUN = ["--n_clients", 2, "--n_workers", 2, "--lang_mix", 1, "--max_length", 32, "--precision", "fp32"]
WAYS = {"all": [], "lora": ["--train", "lora", "--lora_r", 8]}


@dataclass
class Taken(Memory):
    """What a run whose record is `run` takes in its rounds, in bytes.

    `message`: of a vector; `checkpoint`: of the last file; `frozen`: of the file of weights that are not trained, and
    `together`: what all processes that map it have of it in memory, when they were last looked at.
    """

    run: Path
    rounds: int = ROUNDS
    driver: int = 0
    worker: int = 0
    message: int = 0
    checkpoint: int = 0
    frozen: int = 0
    together: int = 0

    def look(self, pid: int) -> None:
        """Look at the program `pid`, its workers and its record, while a round is at work."""
        record = self.run / "rounds.jsonl"
        if not record.exists() or record.read_bytes().count(b"\n") > self.rounds:
            return
        super().look(pid)
        shares = [mapped(each) for each in (pid, *workers(pid))]
        self.frozen = max([self.frozen, *(size for size, _ in shares)])
        if all(size for size, _ in shares):  # while one of them begins to map it, parts do not add up
            self.together = sum(share for _, share in shares)
        for path in (self.run / "checkpoints").glob("round-*"):
            with suppress(OSError, SafetensorError), safe_open(path, "numpy") as file:
                self.message = 4 * file.get_slice("vector").get_shape()[0]
                self.checkpoint = path.stat().st_size


def mapped(pid: int) -> tuple[int, int]:
    """Return the bytes of the map of frozen weights that a process has, and its part of them in memory (PSS)."""
    with suppress(OSError):
        found = re.search(r"/frozen-weights(?: \(deleted\))?\nSize: +(\d+) kB\n(?:.*\n)*?Pss: +(\d+) kB",
                          Path(f"/proc/{pid}/smaps").read_text())
        return (1024 * int(found[1]), 1024 * int(found[2])) if found else (0, 0)
    return 0, 0


def taken(flags: list, run: Path, rounds: int) -> Taken:
    """Return what a run of main_lm.py takes in so many rounds."""
    found = Taken(run, rounds)
    timed_lines([sys.executable, "main_lm.py", *flags, *RUN, "--n_iterations", rounds, "--skip_evalnum", rounds,
                 "--run_dir", run], look=found.look).line("summary")
    return found


def figures_of(name: str, flags: list, folder: Path, rounds: int = ROUNDS) -> list[Figure]:
    """Return what a model's runs take, and the parts of it that are left with adapters alone."""
    every, lora = (taken([*flags, *more], folder / f"{name.split()[0]}-{way}", rounds) for way, more in WAYS.items())
    figures = []
    for what, of in {"a message": "message", "a checkpoint": "checkpoint", "the driver's memory": "driver",
                     "a worker's memory": "worker"}.items():
        figures += [Figure(f"{name}, {what}: {way}", getattr(found, of) / 1e6, "MB")
                    for way, found in (("all weights", every), ("LoRA, r = 8", lora))]
    return [*figures, Figure(f"{name}, weights that are not trained, in a file", lora.frozen / 1e6, "MB"),
            Figure(f"{name}, of that in memory, driver and workers together", lora.together / 1e6, "MB")]


def measure(options: argparse.Namespace, folder: Path) -> list[Figure]:
    """Measure both models, or a toy."""
    if options.small:
        return figures_of("toy", toy_flags(folder), folder, OF_TOY)
    rows = ["--data", "sentiment", "--data_dir", ROOT / "data", "--test", 8]
    base, _ = random_bert(folder, *BERTS["110 M"])
    return [*figures_of("MiniLM (22.7 M)", rows, folder),
            *figures_of("BERT-base (110 M)", [*rows, "--model", base, "--random_init"], folder)]


def main() -> None:
    """Measure and report."""
    options = parser(__doc__).parse_args()
    notes_to_stderr()
    with workspace() as folder:
        report("adapters", measure(options, Path(folder)), options)


if __name__ == "__main__":
    main()
