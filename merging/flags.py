"""The command line of merge.py: flags of its own, and those of RunConfig that a merge and an evaluation have."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from utils.command_line import FlagParser, add_flags, check_task
from utils.config import RunConfig, elsewhere
from utils.errors import UserError
from utils.flags import check_flags, fields_of, flag, nearest, spellings, values_of
from utils.plugins import STRATEGIES

DESCRIPTION = ("Merge finished models of one architecture by a method of strategies/, and (--data) evaluate what comes "
               "out, each of them, and their mean.")
METHOD = ("strategy", "match_norm", "seed")
EVALUATION = ("data_dir", "source", "test", "test_split", "max_length", "truncate", "text_to_text", "domain_by",
              "fp32_products", "deterministic", "n_cpu", "n_gpus")


@dataclass(frozen=True)
class MergeFlags:
    """What merge.py has beside a run's flags."""

    out: str = flag("", "folder for the merged model, new or empty", opens="what is merged, and evaluated")
    base: str = flag("", "the model that the others were trained from, of which their updates are (default: the one "
                         "that all the runs started from)")
    weights: str = flag("", "what each model weighs, as 1,2,1 (default: the rows that it was trained on, if all are "
                            "runs; else all alike)")
    head: str = flag("", "merge the bodies alone, and keep the head of this model")
    data: str = flag("", "evaluate the merged model, each of the others and their mean on this task: one of the files "
                         "in preprocess/ (sentiment, cola, rte, …)")


@dataclass(frozen=True)
class Asked:
    """A command line: the `models`, the `flags` of the merge, and the method and the evaluation as a run has them."""

    models: tuple[str, ...]
    flags: MergeFlags
    config: RunConfig


def parse(argv: list[str] | None, tasks: Sequence[str]) -> Asked:
    """Return what a command line asks for; a wrong flag exits with 2 and one line on stderr."""
    parser = FlagParser("merge.py", f"Tasks: {', '.join(tasks)}. The table goes to stdout, everything else to stderr.",
                        "merge.py MODEL… --out DIR [flags]", DESCRIPTION, [STRATEGIES])
    parser.add_argument("models", nargs="+", metavar="MODEL",
                        help="finished runs, models' folders, or hub ids (NAME@REV: at that branch, tag or commit)")
    own = [field.name for field in fields_of(MergeFlags)]
    add_flags(parser, MergeFlags)
    add_flags(parser, RunConfig, "the method", only=METHOD)
    add_flags(parser, RunConfig, "the evaluation", only=EVALUATION)
    argv = joined(sys.argv[1:] if argv is None else argv)
    chosen = parser.parse_known_args(argv)[0]  # --help ends here
    try:
        taken = dict.fromkeys(("help", "models", *own, *spellings(RunConfig)), "merge.py")
        add_flags(parser, STRATEGIES.flags(chosen.strategy, taken))
        options, others = parser.parse_known_args(argv)
        if others:
            name = others[0].partition("=")[0].removeprefix("--")
            wrong = elsewhere(name, values_of(RunConfig) | vars(chosen))
            if not others[0].startswith("-"):
                wrong = "name all models before the flags"
            raise UserError(f"{others[0]}: {wrong}" if wrong else
                            f"unrecognized arguments: {' '.join(others)}{nearest(name, vars(options))}")
        if STRATEGIES.load(chosen.strategy).trains:
            raise UserError(f"--strategy {chosen.strategy}: averages adapters in rounds; merge finished models by "
                            "another")
        values = vars(options)
        models, flags = values.pop("models"), MergeFlags(**{name: values.pop(name) for name in own})
        check_flags(flags)
        if not flags.out:
            raise UserError("--out: name the folder for the merged model")
        if flags.data:
            check_task(flags.data, tasks)
        values |= {"data": flags.data} if flags.data else {}
        return Asked(tuple(models), flags, RunConfig.of(**values, n_iterations=0, transport="message", model=models[0]))
    except UserError as error:
        parser.error(str(error))


def joined(argv: Sequence[str]) -> list[str]:
    """Return a command line whose `--weights -1,2` is one word: argparse takes the second for a flag's name."""
    words: list[str] = []
    for word in argv:
        if words[-1:] == ["--weights"] and re.match(r"-[\d.]", word):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words
