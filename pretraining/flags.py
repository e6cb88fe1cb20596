"""The command line of pretrain.py, and what its budgets are."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from utils.command_line import FlagParser, add_flags
from utils.errors import UserError, quoted
from utils.flags import POSITIVE, WHOLE_FROM_1, check_flags, fields_of, flag, nearest, no_choice, spellings

DESCRIPTION = ("Pre-train an encoder in miniature on the text of task tables, and save it at several budgets of "
               "tokens, as folders that main_lm.py --model takes.")
OBJECTIVES = ("distillation", "mlm")
OF_TEACHERS = ("teacher", "learns", "cache")  # flags of distillation alone
PER_HEAD = 32  # of the hidden size
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


def whole(low: int, high: int) -> tuple[Callable[[int], bool], str]:
    """Return which values a flag has that is a whole number of this range, and what messages call them."""
    return lambda value: low <= value <= high, f"a whole number from {low} (to {high})"


@dataclass(frozen=True)
class PretrainFlags:
    """All that decides the models that pretrain.py makes, and where they go."""

    out: str = flag("", "folder for the models: OUT/250k, OUT/1M, …; where it holds some of them, and a checkpoint, "
                        "they are kept and it goes on", opens="what is made", may_change=True)
    tokens: str = flag("1M", "budgets, rising, as 0,250k,1M,4M: a model is saved at the first step that reaches each "
                             "(0: random weights)", may_change=True)
    seed: int = flag(0, "seed of every random choice",
                     valid=(lambda value: 0 <= value < 2**32, "a whole number from 0 to 4294967295"))
    task: str = flag("", "NAME[,NAME]: tasks in preprocess/ whose training rows give text", opens="the text")
    text: str = flag("", "FILE[,FILE]: files that give text, UTF-8, a line each")
    domains: str = flag("", "NAME[,NAME]: only the text of these natural domains, as movie or sentiment/movie "
                            "(default: all)")
    data_dir: str = flag("data", "folder of the preprocessed tables", valid=(bool, "the name of a folder"),
                         may_change=True)
    max_length: int = flag(128, "tokens kept of each text, and the longest sequence that the model can read",
                           valid=whole(8, 2**16))
    layers: int = flag(2, "layers of the encoder", opens="the model, a BERT",
                       valid=whole(1, 1000))
    hidden: int = flag(128, f"its width, a multiple of {PER_HEAD}, which is a head's",
                       valid=(lambda value: 0 < value <= 2**14 and not value % PER_HEAD,
                              f"a multiple of {PER_HEAD} (to {2**14})"))
    vocab: int = flag(4000, "word pieces at most; they are learnt from the text",
                      valid=(lambda value: 100 <= value <= 10**6, "a whole number from 100 (to 10^6)"))
    objective: str = flag("distillation", "what it learns: a teacher's sentence vectors, or to fill in masked tokens",
                          choices=OBJECTIVES, opens="training")
    teacher: str = flag("minilm", "encoder that distillation learns from, as main_lm.py --model takes it")
    learns: str = flag("both", "what of the student learns the teacher's vector: the mean of its tokens, its pooler's "
                               "output, which classifiers read, or both alike", choices=("both", "mean", "pooler"))
    cache: str = flag("", "folder where teachers' vectors are kept, for all runs (default: teachers/ in --data_dir)",
                      may_change=True)
    batch_size: int = flag(32, "sequences per step", valid=whole(1, 2**16))
    lr: float = flag(1e-3, "AdamW's learning rate, after a linear rise", valid=POSITIVE)
    warmup: int = flag(100, "steps of that rise", valid=WHOLE_FROM_1)
    threads: int = flag(1, "threads of the arithmetic; other numbers give other last bits",
                        valid=(lambda value: 1 <= value <= 1024, "a whole number from 1 to 1024"), opens="the machine")

    def __post_init__(self) -> None:
        check_flags(self)
        self.budgets  # raises what is wrong with them

    @cached_property
    def budgets(self) -> dict[str, int]:
        """{label: tokens} of `tokens`."""
        return budgets_in(self.tokens)


def parse(argv: list[str] | None, tasks: Sequence[str], prog: str = "pretrain.py") -> PretrainFlags:
    """Return what a command line of `prog` asks for; a wrong flag exits with 2 and one line on stderr."""
    parser = FlagParser(prog, f"Tasks: {', '.join(tasks)}. A line for each model goes to stdout, everything "
                        "else to stderr.", "pretrain.py --task NAME[,NAME] --out DIR [flags]", DESCRIPTION, [])
    add_flags(parser, PretrainFlags)
    parser.set_defaults(**dict.fromkeys(OF_TEACHERS))  # None says that one is not given
    options, others = parser.parse_known_args(argv)
    given = {name: value for name, value in vars(options).items() if value is not None}
    try:
        if others:
            near = nearest(others[0].partition("=")[0].removeprefix("--"), spellings(PretrainFlags))
            raise UserError(f"unrecognized arguments: {' '.join(others)}{near}")
        for name in OF_TEACHERS:
            if name in given and options.objective == "mlm":
                raise UserError(f"--{name} {given[name]}: --objective mlm has no teacher; leave it out")
        return checked(PretrainFlags(**given), tasks)
    except UserError as error:
        parser.error(str(error))


def checked(flags: PretrainFlags, tasks: Sequence[str]) -> PretrainFlags:
    """Return the flags. Raises UserError, naming one, where what they ask for cannot be made."""
    if not flags.out:
        raise UserError("--out: name the folder for the models")
    for name, value in (("task", flags.task), ("text", flags.text), ("domains", flags.domains)):
        if value and not names_in(value):
            raise UserError(f"--{name} {quoted(value)}: names nothing; give NAME[,NAME], or leave it out")
    if not (flags.task or flags.text):
        raise UserError("--task, --text: name tasks or files to have text from")
    for name in names_in(flags.task):
        if name not in tasks:
            raise UserError(no_choice("task", name, tasks, "pretrain.py"))
    stems: dict[str, str] = {}
    for name in names_in(flags.text):
        if (other := stems.setdefault(Path(name).stem, name)) != name:
            raise UserError(f"--text {other},{name}: would both be the domain text/{Path(name).stem}; give one of the "
                            "files another name")
    return flags


def names_in(value: str) -> list[str]:
    """Return the names in a flag's value, each once."""
    return [*dict.fromkeys(name.strip() for name in value.split(",") if name.strip())]


def budgets_in(value: str) -> dict[str, int]:
    """Return {label: tokens} of `--tokens`, such as {"0": 0, "250k": 250000}; labels are names of folders.

    Raises UserError unless there are some, rising.
    """
    found: dict[str, int] = {}
    for label in value.split(","):
        parts = re.fullmatch(r"(\d{1,12})(\.\d{1,9})?([kMG]?)", label, re.ASCII)
        number = Decimal(f"{parts[1]}{parts[2] or ''}") * UNITS[parts[3]] if parts else Decimal(-1)
        if number % 1 or not 0 <= number <= 10**15:
            raise UserError(f"--tokens {quoted(value)}: must be budgets as 0,250k,1M,4M (k, M, G: 10^3, 10^6, 10^9)")
        if found and number <= [*found.values()][-1]:
            raise UserError(f"--tokens {quoted(value)}: must rise, and {label} does not")
        found[label] = int(number)
    return found


def fixed(flags: PretrainFlags) -> dict[str, object]:
    """Return {flag: value} of what must be the same where models are added to a folder; mlm has no teacher.

    Domains are sorted: as they are typed they choose the same text. That of tasks and files has their order.
    """
    unused = () if flags.objective == "distillation" else OF_TEACHERS
    found = {field.name: getattr(flags, field.name) for field in fields_of(flags)
             if not field.metadata["may_change"] and field.name not in unused}
    return found | {"domains": ",".join(sorted(names_in(flags.domains)))}
