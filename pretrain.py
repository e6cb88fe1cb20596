"""Pre-train an encoder in miniature on the text of task tables, and save it at several budgets of tokens.

    python pretrain.py --task sentiment --layers 2 --hidden 128 --vocab 4000 --tokens 0,250k,1M,4M --out log/models/a

writes log/models/a/0, …/250k, …/1M and …/4M, which main_lm.py --model takes. A line for each goes to stdout, everything
else to stderr; `--help` lists all flags. The same command goes on where it was stopped. Exit code 0: done; 1: a fault
of the program; 2: the input is wrong; 130: interrupted.
"""

import preprocess.common as preprocess
from pretraining.flags import PretrainFlags, parse
from utils.console import NOTES, notes_to_stderr
from utils.errors import UserError
from utils.machine.durable import DISK_REFUSES
from utils.machine.process import run_program
from utils.machine.workers import pause_collector, quiet_environment, resume_collector


def main(argv: list[str] | None = None) -> int:
    """Run one command line; return the exit code."""
    flags = parse(argv, preprocess.task_names())
    notes_to_stderr()
    try:
        quiet_environment(own_ray=True)
        make(flags)
        return 0
    except UserError as error:
        NOTES.error("pretrain.py: %s", error)
        return error.exit_code
    except OSError as error:
        if error.errno not in DISK_REFUSES:
            raise
        NOTES.error("pretrain.py: %s: %s: free some space, or name another folder", error.filename or
                    f"--out {flags.out}", error.strerror)
        return 2
    except KeyboardInterrupt:
        NOTES.error("pretrain.py: interrupted: the same command goes on from the last checkpoint")
        return 130


def make(flags: PretrainFlags) -> None:
    """Make the models that the flags ask for."""
    pause_collector()
    from pretraining.budgets import pretrain  # heavy imports wait: --help and a wrong flag answer at once

    resume_collector()
    pretrain(flags)


if __name__ == "__main__":
    run_program(main)
