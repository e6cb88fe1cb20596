"""Several runs of main_lm.py in one engine, so that one start is paid for all; their flags come from stdin, as JSON.

    echo '[["--data", "rte", …], …]' | python -m tests.runs

All of them compute on the machine that the first one's flags ask for. After one that fails the next one still runs.
"""

import json
import sys
from contextlib import ExitStack
from functools import partial

import main_lm
from sweeps.driver import OpenEngine
from utils.machine.process import outcome, run_program


def main() -> int:
    """Do them; return the number of those that failed."""
    with ExitStack() as stack:
        opened = OpenEngine(stack)
        return sum(outcome(partial(main_lm.main, flags, opened)) != 0 for flags in json.load(sys.stdin))


if __name__ == "__main__":
    run_program(main)
