"""Do two commits give the same bits? Small runs of every kind on both, and one hash of the final weights for each.

    python -m tests.same_bits COMMIT            that commit beside the working tree, 5 minutes on 2 cores
    python -m tests.same_bits COMMIT OTHER      two commits
    python -m tests.same_bits COMMIT --only T5  only the cells whose name has these letters

Exit code 0: each cell's hashes are equal; 1: some differ, or a run failed. For changes that must not change a result.
The commits are checked out below .same_bits/ and run in this environment, in float32 and with torch's own products;
rows and models are made there.
"""

import argparse
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from transformers.utils.logging import disable_progress_bar

from tests.conftest import ROOT
from tests.processes import begun, command, finish, kill, model, newest, wait_until, workers
from tests.tiny import tiny_once

PLACE = ROOT / ".same_bits"
ROWS = "from pathlib import Path; from tests.toy import *; toy_table(Path({0!r})); toy_choices(Path({0!r}))"
SHORT = "--max_length 96 --batch_size 8 --n_iterations 3"  # no row is cut
LONG = "--max_length 96 --batch_size 8 --n_iterations 12 --skip_evalnum 12 --optimizer_state keep"
#: name → (model family, task, flags)
CELLS = {
    "encoder, centralized": ("bert", "rte", f"{SHORT} --centralized"),
    "encoder, IID": ("bert", "rte", f"{SHORT} --lang_mix 0.99"),
    "encoder, non-IID": ("bert", "rte", SHORT),
    "encoder, non-IID, messages": ("bert", "rte", f"{SHORT} --transport message"),
    "encoder, partial": ("bert", "rte", f"{SHORT} --n_clients 5 --frac_fit 0.4"),
    "encoder, fedadam": ("roberta", "rte", f"{SHORT} --strategy fedadam"),
    "encoder, fedavgm": ("deberta-v2", "rte", f"{SHORT} --strategy fedavgm --server_lr 0.5"),
    "encoder, kept moments": ("bert", "rte", f"{SHORT} --optimizer_state keep --weight_decay 0.01"),
    "encoder, dirichlet": ("bert", "rte", f"{SHORT} --partitioner dirichlet --alpha 5"),
    "encoder, held-out rows, resumed": ("bert", "rte", f"{LONG} --val_ratio 0.2"),
    "encoder, with a kill": ("bert", "rte", LONG),
    "encoder, LoRA, resumed": ("bert", "rte", f"{LONG} --train lora --lora_dropout 0.1"),
    "decoder, linear rate": ("gpt2", "rte", f"{SHORT} --lr_schedule linear --batch_accum 2"),
    "T5, non-IID": ("t5", "rte", SHORT),
    "T5, messages, resumed": ("t5", "rte", f"{LONG} --transport message"),
    "BART, text to text": ("bart", "rte", f"{SHORT} --text_to_text"),
    "multiple choice, non-IID": ("electra", "copa", SHORT),
    "multiple choice, with a kill": ("electra", "copa", LONG),
}


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("other", nargs="?", help="default: the working tree")
    parser.add_argument("--only", default="", metavar="LETTERS", help="of a cell's name")
    options = parser.parse_args()
    disable_progress_bar()
    shutil.rmtree(PLACE, ignore_errors=True)
    trees = [checked_out(options.commit), checked_out(options.other) if options.other else ROOT]
    bases = [PLACE / "first", PLACE / "second"]
    for tree, base in zip(trees, bases):
        base.mkdir()
        subprocess.run([sys.executable, "-c", ROWS.format(str(base / "data"))], cwd=tree, check=True)
        for family in {family for family, *_ in CELLS.values()}:
            tiny_once(base, family)
    different = 0
    with ThreadPoolExecutor(2) as pool:
        for name in (name for name in CELLS if options.only in name):
            hashes = list(pool.map(lambda tree, base: weights(tree, base, name), trees, bases))
            different += len(set(hashes)) > 1 or hashes[0].startswith("failed")
            print(f"{name:34} {'  '.join(hashes)}  {'equal' if len(set(hashes)) == 1 else 'DIFFERENT'}", flush=True)
    return int(different > 0)


def checked_out(commit: str) -> Path:
    """Return a folder that holds the files of a commit."""
    folder = PLACE / f"tree-{commit.replace('/', '-')}"
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder, check=True)
    return folder


def weights(tree: Path, base: Path, name: str) -> str:
    """Run a cell of the project in `tree`; return the beginning of its weights' sha256, or why there are none."""
    family, task, flags = CELLS[name]
    run = "-".join(name.replace(",", "").split())

    def start(more: str = "") -> subprocess.Popen:
        line = command(base, run, flags + more, family, task)
        if "fp32_products" not in (tree / "utils" / "config.py").read_text():  # older than the flag
            line = line.replace("--fp32_products torch", "")
        return begun([sys.executable, *line.split()], cwd=tree)

    process = start()
    if "resumed" in name or "kill" in name:
        wait_until(lambda: newest(base / run) >= 1 and workers(process.pid), process)
        kill(process.pid if "resumed" in name else workers(process.pid)[0])
    if "resumed" in name:
        process.communicate()
        process = start(" --resume")
    done = finish(process)
    if done.returncode:
        return f"failed with {done.returncode}: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}"
    return sha256(model(base / run)).hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
