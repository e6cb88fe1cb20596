"""Pre-train an encoder in miniature on the text of task tables, and save it at several budgets of tokens.

    python pretrain.py --task sentiment --layers 2 --hidden 128 --vocab 4000 --tokens 0,250k,1M,4M --out log/models/a

writes log/models/a/0, …/250k, …/1M and …/4M, which main_lm.py --model takes. A line for each goes to stdout, everything
else to stderr; `--help` lists all flags. The same command goes on where it was stopped. Exit code 0: done; 1: a fault
of the program; 2: the input is wrong; 130: interrupted.
"""

import preprocess.common as preprocess
from pretraining.flags import PretrainFlags, parse
from utils.machine.ending import exit_code
from utils.machine.process import run_program
from utils.machine.workers import pause_collector, quiet_environment, resume_collector


def main(argv: list[str] | None = None) -> int:
    """Run one command line; return the exit code."""
    flags = parse(argv, preprocess.task_names())
    return exit_code("pretrain.py", lambda: make(flags),
                     lambda error: f"{error.filename or f'--out {flags.out}'}: {error.strerror}: free some space, or "
                                   "name another folder",
                     "the same command goes on from the last checkpoint")


def make(flags: PretrainFlags) -> None:
    """Make the models that the flags ask for."""
    quiet_environment(own_ray=True)
    pause_collector()
    from pretraining.maker import pretrain  # heavy imports wait: --help and a wrong flag answer at once

    resume_collector()
    pretrain(flags)


if __name__ == "__main__":
    run_program(main)
