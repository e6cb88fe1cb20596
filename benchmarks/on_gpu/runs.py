"""Several runs of main_lm.py in one engine, so that one start is paid for all; their flags come from stdin, as JSON.

    echo '[["--data", "rte", …], …]' | python -m benchmarks.on_gpu.runs

All of them compute on the machine that the first one's flags ask for. After one that fails the next one still runs.
"""

import json
import sys
from contextlib import nullcontext

import main_lm
import preprocess.common as preprocess
from engine.cluster import OwnCluster
from engine.engine import running_engine
from utils.command_line import parse_flags
from utils.console import NOTES, notes_to_stderr
from utils.errors import RoundFailed, UserError
from utils.machine.process import run_program
from utils.machine.workers import check_machine, machine_for, quiet_environment


def main() -> int:
    """Run them; return the number of those that failed."""
    notes_to_stderr()
    quiet_environment(own_ray=True)
    configs = [parse_flags(flags, preprocess.task_names()) for flags in json.load(sys.stdin)]
    check_machine(configs[0])
    failed = 0
    with running_engine(OwnCluster(machine_for(configs[0], 1)), "clients.lm_client.LMClient") as engine:
        for config in configs:
            try:
                main_lm.run(config, lambda cluster, client: nullcontext(engine))
            except (UserError, RoundFailed) as error:
                NOTES.error("%s: %s", config.run_dir, error)
                failed += 1
    return failed


if __name__ == "__main__":
    run_program(main)
