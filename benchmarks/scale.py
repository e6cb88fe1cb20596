"""Scale: what a round and its memory cost as a model grows, measured, and beside it what the arithmetic says.

    python -m benchmarks.scale                               20 M to 340 M parameters, and 7 B by arithmetic

Rounds without training (benchmarks/no_training.py), and short runs of main_lm.py on random BERTs. Memory is a process's
own (anonymous) resident memory at its highest, looked at ten times a second. Beside it: what the smallest model's run
took, and for what is more the arithmetic of benchmarks/footprint.py.
"""

import argparse
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from benchmarks.common import ROOT, Figure, Outcome, parser, report, timed_lines
from benchmarks.data_plane import BASE, LARGE, MINILM, warm
from benchmarks.footprint import Setting, footprint, lora_parameters
from benchmarks.rows import toy_flags, workspace
from tests.processes import workers
from utils.console import NOTES, notes_to_stderr
from utils.record.runlog import read_json

MARGIN = 1.15  # arithmetic over measured memory: at most so many times more or less
TINY = (64, 1)
BERTS = {"20 M": (384, 6), "110 M": (768, 12), "340 M": (1024, 24)}  # hidden size, layers
TRAINED = ("20 M", "110 M")  # what trains beside others on a machine with 23 GB
LLAMA_7B, LAYERS, HIDDEN = 6_738_415_616, 32, 4096  # parameters of LLaMA-7B (Touvron et al. 2023), and their shape


class Memory:
    """The highest anonymous resident memory, in bytes, of a program (`driver`) and of its largest `worker`."""

    def __init__(self) -> None:
        self.driver = self.worker = 0

    def look(self, pid: int) -> None:
        """Look at the program `pid` and its workers."""
        self.driver = max(self.driver, anonymous(pid))
        self.worker = max([self.worker, *map(anonymous, workers(pid))])


def anonymous(pid: int) -> int:
    """Return the bytes of a process's own pages in memory; 0 if it has ended."""
    with suppress(OSError):
        found = re.search(r"^RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
        return int(found[1]) * 1024 if found else 0
    return 0


def random_bert(folder: Path, hidden: int, layers: int) -> tuple[Path, int]:
    """Write a BERT's configuration, with MiniLM's tokenizer; return its folder and the parameters of its words."""
    from transformers import AutoTokenizer, BertConfig

    from utils.model.loading import resolve

    place = folder / f"bert-{hidden}x{layers}"
    config = BertConfig(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=max(1, hidden // 64),
                        intermediate_size=4 * hidden)
    config.save_pretrained(place)
    AutoTokenizer.from_pretrained(resolve("minilm")).save_pretrained(place)
    return place, config.vocab_size * hidden


def idle(size: int, transport: str) -> tuple[Outcome, Memory, Setting]:
    """Return a run without training."""
    memory = Memory()
    outcome = timed_lines([sys.executable, "-m", "benchmarks.no_training", "--size", size, "--transport", transport],
                          look=memory.look)
    outcome.line("round=6")
    return outcome, memory, Setting(size, clients=3, workers=2, transport=transport, trains=False)


def trained(flags: list, still: int, transport: str, record: Path) -> tuple[Memory, Setting]:
    """Return a run of main_lm.py: three rounds of two clients."""
    memory = Memory()
    timed_lines([sys.executable, "main_lm.py", *flags, "--n_clients", 2, "--lang_mix", 1, "--max_length", 32,
                 "--n_iterations", 3, "--skip_evalnum", 3, "--precision", "fp32", "--transport", transport, "--run_dir",
                 record], look=memory.look).line("summary")
    about = read_json(record / "config.json")
    return memory, Setting(about["parameters"], clients=2, workers=about["workers"], transport=transport, still=still)


def beside(what: str, memory: Memory, base: Memory, of: Setting, base_of: Setting) -> list[Figure]:
    """Return what driver and worker take, and the arithmetic over that, which begins with the smallest run's `base`."""
    figures = []
    for process in ("driver", "worker"):
        taken = getattr(memory, process)
        more = getattr(footprint(of), process) - getattr(footprint(base_of), process)
        ratio = (getattr(base, process) + more) / taken
        figures += [Figure(f"{what}: a {process}'s memory", taken / 1e9, "GB"),
                    Figure(f"{what}: the arithmetic over a {process}'s memory", ratio, "×",
                           f"{1 / MARGIN:.2f} to {MARGIN:g} ×", 1 / MARGIN <= ratio <= MARGIN)]
        NOTES.info("%s: a %s takes %.2f GB, by arithmetic %.2f GB, of which the smallest run's are %.2f GB", what,
                   process, taken / 1e9, ratio * taken / 1e9, getattr(base, process) / 1e9)
    return figures


def rounds_without_training(sizes: dict[str, int], transports: tuple[str, ...]) -> list[Figure]:
    """Return the figures of rounds without training, of models of so many parameters."""
    figures = []
    for transport in transports:
        _, base, base_of = idle(20_000, transport)
        for name, size in sizes.items():
            if (name, transport) == ("340 M", "message"):
                continue  # its copies are more than 23 GB
            outcome, memory, of = idle(size, transport)
            what = f"{name}, 3 clients, no training, by {transport}"
            figures += [Figure(f"{what}: warm round", warm(outcome), "s"), *beside(what, memory, base, of, base_of)]
    return figures


def trainings(folder: Path, names: tuple[str, ...], transports: tuple[str, ...],
              flags_of: Callable[[int, int], tuple[list, int]]) -> list[Figure]:
    """Return the figures of runs that train, where `flags_of(hidden, layers)` are a model's flags, and its words."""
    figures = []
    for transport in transports:
        base, base_of = trained(*flags_of(*TINY), transport, folder / f"tiny-{transport}")
        for name in names:
            memory, of = trained(*flags_of(*BERTS[name]), transport, folder / f"{name}-{transport}")
            figures += beside(f"{name}, 2 clients, trained, by {transport}", memory, base, of, base_of)
    return figures


def seven_billion() -> list[Figure]:
    """Return the arithmetic of LLaMA-7B with 4 clients on 4 workers: all weights, and adapters of rank 8 alone."""
    adapters = lora_parameters(8, [(HIDDEN, HIDDEN)] * 2 * LAYERS)  # of queries and values
    whole = Setting(LLAMA_7B, clients=4, workers=4)
    settings = {"all weights": whole, f"adapters alone ({adapters:,} parameters)": replace(
        whole, trained=adapters, frozen=LLAMA_7B)}
    return [Figure(f"7 B, 4 clients on 4 workers, {what}, by {transport}: {name} (arithmetic)", value / 1e9, "GB")
            for what, of in settings.items() for transport in ("reference", "message")
            for name, value in vars(footprint(replace(of, transport=transport))).items()]


def measure(options: argparse.Namespace, folder: Path) -> list[Figure]:
    """Measure all of it; with `--small` one size without training, and a toy's training, which gives no figure."""
    if options.small:
        trainings(folder, (), ("reference",), lambda hidden, layers: (toy_flags(folder), 0))
        return [*rounds_without_training({"50 M": 50_000_000}, ("reference",)), *seven_billion()]

    def flags_of(hidden: int, layers: int) -> tuple[list, int]:
        model, words = random_bert(folder, hidden, layers)
        return [*rows, "--model", model, "--random_init"], words

    rows = ["--data", "sentiment", "--data_dir", ROOT / "data", "--test", 8]
    sizes = {"20 M": MINILM, "110 M": BASE, "340 M": LARGE}
    return [*rounds_without_training(sizes, ("reference", "message")),
            *trainings(folder, TRAINED, ("reference", "message"), flags_of), *seven_billion()]


def main() -> None:
    """Measure and report."""
    options = parser(__doc__).parse_args()
    notes_to_stderr()
    with workspace() as folder:
        report("scale", measure(options, Path(folder)), options)


if __name__ == "__main__":
    main()
