"""Runs that train adapters, by each way to average them, on one engine; some are interrupted and go on.

    python -m tests.adapter_runs FOLDER

FOLDER has data/ and tiny/, as tests/test_adapters.py makes them; the records go there, too.
"""

import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import main_lm
from engine.cluster import OwnCluster
from engine.engine import running_engine
from tests.engine.several_runs import config_of, interrupt_after_a_round
from utils.console import notes_to_stderr
from utils.machine.process import begin, leave
from utils.machine.workers import Machine, quiet_environment

COMMON = "--max_length 64 --batch_size 8 --n_iterations 8 --skip_evalnum 4 --train lora --lora_alpha 32"
RUNS = {name: ("bert", f"{COMMON} --strategy {name}") for name in ("averaging", "ffa_lora", "rolora", "fedex_lora")} | {
    "flora": ("bert", f"{COMMON} --strategy flora --lora_r 4,8,2"),
    "turned": ("gpt2", f"{COMMON} --strategy fedex_lora --lora_targets all-linear --val_ratio 0.2"),
    "best": ("gpt2", f"{COMMON} --lora_targets c_attn,c_proj --val_ratio 0.2")}
#: runs that go on after an interrupt, with these flags besides
RESUMED = {"rolora": "", "fedex_lora": "", "flora": "", "best": "--save_model none", "turned": "--save_model none"}


def main(base: Path) -> None:
    """Run them all; those that are interrupted get their vectors by messages at first."""
    notes_to_stderr()
    quiet_environment(own_ray=True)
    with running_engine(OwnCluster(Machine(2, 0, 0.0)), "clients.lm_client.LMClient") as engine:
        def run(name: str, family: str, flags: str) -> None:
            main_lm.run(config_of(base, name, "rte", family, flags), lambda cluster, client: nullcontext(engine))

        for name, (family, flags) in RUNS.items():
            run(name, family, flags)
        for name, further in RESUMED.items():
            folder, (family, flags) = base / f"{name}-resumed", RUNS[name]
            threading.Thread(target=interrupt_after_a_round, args=[folder], daemon=True).start()
            try:
                run(folder.name, family, f"{flags} --transport message")
            except KeyboardInterrupt:
                print("interrupted", name)
            run(folder.name, family, f"{flags} --resume {further}")


if __name__ == "__main__":
    begin()
    main(Path(sys.argv[1]))
    leave(0)
