"""All that is asked of a GPU, in one program: is it right there, how fast is it, and how fast is stock Flower there?

    python -m benchmarks.gpu                 any machine with a CUDA card; at most 8 minutes
    python -m benchmarks.gpu --rehearse      the same on the CPU with tiny models: shows that it runs, no more

Prints a Markdown table and writes log/bench/gpu.json. Nothing is downloaded: models are random, rows made up. A check
that cannot run says why, and the program goes on. Exit code 0: all that must hold does; 1: something does not, or
failed on the way; 2: there is no card.
"""

import os
import sys
from pathlib import Path

from benchmarks.common import RESULTS, parser, report
from benchmarks.rows import workspace
from utils.machine.process import run_program

SECONDS = 480.0


def main() -> int:
    """Check, measure, report; return the exit code."""
    flags = parser(__doc__)
    flags.add_argument("--rehearse", action="store_true", help="on the CPU, with tiny models")
    flags.add_argument("--seconds", type=float, default=SECONDS, help="what is not begun by then is left out (480)")
    options = flags.parse_args()
    rehearse = options.rehearse or options.small
    import torch

    if not rehearse and not torch.cuda.is_available():
        print("benchmarks.gpu: torch finds no CUDA card here; --rehearse does all of it on the CPU", file=sys.stderr)
        return 2
    from benchmarks.on_gpu import correct, speed
    from benchmarks.on_gpu.bench import Bench
    from benchmarks.on_gpu.card import card_here
    from utils.machine.compiler import PLACE

    card = card_here(rehearse)
    options.out = options.out or (RESULTS / "small" if rehearse else RESULTS)
    about = {"card": card.name, "driver": card.driver, "torch": torch.__version__, "cuda": torch.version.cuda or "none"}
    print(", ".join(f"{name} {value}" for name, value in about.items()), end="\n\n", flush=True)
    with workspace() as folder:
        os.environ[PLACE] = f"{folder}/compiled"  # what one process has compiled, the next need not
        bench = Bench(Path(folder), card, rehearse, options.seconds)
        correct.check(bench)
        speed.check(bench)
    report("gpu", bench.figures, options, {**about, "not_run": bench.not_run})
    for what, why in bench.not_run.items():
        print(f"| {what} | not run: {why} | | |", flush=True)
    print(f"\n{bench.wrong} of what must hold does not.", flush=True)
    return int(bench.wrong > 0)


if __name__ == "__main__":
    run_program(main)
