"""Flags → RunConfig: every flag once, with its default, its range and its help."""

import argparse
import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from utils.errors import UserError, one_line
from utils.flags import (
    MANY,
    NOT_NEGATIVE,
    PARSERS,
    POSITIVE,
    SHARE,
    WHOLE_FROM_0,
    WHOLE_FROM_1,
    check_flags,
    flag,
)
from utils.hub_names import split_revision


def files_of(folder: str) -> tuple[str, ...]:
    """Return the names of the choices that are a file each in a folder of the project."""
    return tuple(sorted(path.stem for path in (Path(__file__).parents[1] / folder).glob("[!_]*.py")))


PARTITIONERS = ("lang_mix", *files_of("utils/data/partitioners"))
TRACKERS = ("none", *files_of("utils/record/trackers"))
STRATEGIES = files_of("strategies")
ALPHA = 0.5
HUB_NAME = re.compile(r"(?!.*(--|\.\.|\.git$))(?=.{3,96}$)\w([\w.-]*\w)?/\w([\w.-]*\w)?", re.ASCII)
HUB_REPOSITORY = (lambda value: not value or bool(HUB_NAME.fullmatch(value)),
                  "the NAME/REPO of a repository on the hub: letters, digits, - _ and .")
RAY_ADDRESS = (lambda value: bool(re.fullmatch(r"(auto|[^\s/]+:\d{1,5})?", value)),
               "auto, or the HOST:PORT that `ray start --head` prints")


@dataclass(frozen=True)
class RunConfig:
    """All that decides a run's result, and where it runs and writes. Values are checked when it is made.

    Raises UserError, naming the flag, for a value out of range or a contradiction.
    """

    data: str = flag("sentiment", "task to train on: one of the files in preprocess/ (cola, rte, mnli, …)",
                     opens="the task, and the rows of it that are used")
    data_dir: str = flag("data", "folder of the preprocessed tables and of the token cache",
                         valid=(bool, "the name of a folder"), changes_results=False)
    source: str = flag("", "where to make the table from when it is absent: hub, hub@REV, or a folder of the "
                           "official files (default: the task's own, see preprocess/)", changes_results=False)
    test: int = flag(0, "use only N rows per domain of each split, the same rows for every seed (0: all)",
                     valid=WHOLE_FROM_0)
    test_split: str = flag("", "split to report on (default: the task's own)")
    val_ratio: float = flag(0.0, "part of each domain's training rows held out; the best round on them is kept",
                            valid=(lambda value: 0 <= value < 1, "a number from 0 to below 1"))
    max_length: int = flag(128, "tokens kept of each sequence",
                           valid=(lambda value: 8 <= value <= MANY, "a whole number from 8 (to 10^9)"))
    truncate: bool = flag(False, "go on also where --max_length is so short that rows lose a whole field, such as the "
                                 "second sentence", changes_results=False)

    model: str = flag("minilm", "Hugging Face model: hub id (NAME@REV: at that branch, tag or commit), local folder, a "
                                "finished run's folder, or minilm",
                      opens="the model")
    random_init: bool = flag(False, "start from random weights (the model's configuration and tokenizer only)")
    load_model: str = flag("", "start from the model of this finished run (or model folder) instead of --model")
    text_to_text: bool = flag(False, "use an encoder-decoder such as BART as text-to-text (T5 always is)")

    lang_mix: float = flag(0.0, "mixing of the domains: 0 each client its own domain (non-IID), 0.99 IID, "
                                "1 exactly even", valid=SHARE, opens="how rows become the clients' shards")
    partitioner: str = flag("lang_mix", "how else to cut the rows, whatever their domain: one of "
                                        "utils/data/partitioners/, such as dirichlet (by label)", choices=PARTITIONERS)
    alpha: float = flag(ALPHA, "concentration of --partitioner dirichlet: the smaller, the fewer labels a client has",
                        valid=POSITIVE)
    n_clients: int = flag(0, "number of clients (0: one per domain); of slices too, where a domain is a slice",
                          valid=WHOLE_FROM_0)
    domain_by: str = flag("auto", "what a domain is: the task's natural domains, contiguous slices of the "
                                  "table, or one domain per label (auto: natural or slices, by task)",
                          choices=("auto", "natural", "slices", "label"))

    centralized: bool = flag(False, "standard fine-tuning: one client holds all rows; --lang_mix and "
                                    "--frac_fit do nothing", opens="rounds of averaging")
    n_iterations: int = flag(5, "rounds of averaging (0: evaluate only)", valid=WHOLE_FROM_0,
                             also=("n_iteration",))
    frac_fit: float = flag(1.0, "part of the clients trained and averaged each round, at least one client",
                           valid=(lambda value: 0 < value <= 1, "a number above 0, up to 1"))
    strategy: str = flag("averaging", "what becomes of the clients' mean: the new global model as it is, or a step of "
                                      "a server optimizer, one of strategies/", choices=STRATEGIES)
    server_lr: float = flag(0.0, "learning rate of the server optimizer (0: its own)", valid=NOT_NEGATIVE)

    epoch: int = flag(1, "local epochs: passes over its shard that a client makes each round", valid=WHOLE_FROM_1,
                      opens="a client's training")
    batch_size: int = flag(16, "rows per forward pass", valid=WHOLE_FROM_1)
    batch_accum: int = flag(1, "batches per optimizer step: the effective batch is batch_size x batch_accum",
                            valid=WHOLE_FROM_1)
    batching: str = flag("length", "which rows share a batch: rows of about one length, drawn anew in each epoch, or "
                                   "any (plain shuffling, with more padding)", choices=("length", "random"))
    lr: float = flag(5e-5, "AdamW's learning rate", valid=POSITIVE)
    lr_schedule: str = flag("constant", "learning rate over the whole run: constant, or linear down to 0",
                            choices=("constant", "linear"))
    weight_decay: float = flag(0.0, "AdamW's weight decay, of matrices and embeddings only", valid=NOT_NEGATIVE)
    max_grad_norm: float = flag(0.0, "clip each step's gradient to this norm (0: no clipping)", valid=NOT_NEGATIVE)
    optimizer_state: str = flag("fresh", "a client's AdamW moments: fresh each round (as published), or kept "
                                         "from its last round", choices=("fresh", "keep"))
    precision: str = flag("auto", "arithmetic of training; weights and evaluation are always float32 (auto: bf16 "
                                  "where the processor is faster in it)",
                          choices=("auto", "fp32", "bf16"))
    seed: int = flag(0, "seed of every random choice",
                     valid=(lambda value: 0 <= value < 2**32, "a whole number from 0 to 4294967295"))

    n_cpu: float = flag(1.0, "CPU cores per client", valid=POSITIVE, also=("n_cpus",), opens="the machine")
    n_gpus: int = flag(0, "GPUs of the whole run (0: CPU only)", valid=WHOLE_FROM_0, also=("n_gpu",))
    gpus_per_client: float = flag(1.0, "GPUs each client gets; 0.5 lets two clients share one",
                                  valid=POSITIVE)
    n_workers: int = flag(0, "processes that run clients at once (0: as many as the cores or GPUs allow, but "
                             "no more than clients)",
                         valid=(lambda value: 0 <= value <= 1024, "a whole number from 0 to 1024"),
                         changes_results=False)
    ray_address: str = flag("", "join the Ray cluster at this HOST:PORT (auto: the one on this machine) instead of "
                                "starting one; the folders of project and data must be the same on all its nodes",
                            valid=RAY_ADDRESS, changes_results=False)
    transport: str = flag("reference", "how vectors reach the clients: by reference through shared memory, or "
                                       "inside Flower's messages", choices=("reference", "message"),
                          changes_results=False)
    client_retries: int = flag(2, "how often a client that fails, or whose worker dies, runs again in a round",
                               valid=WHOLE_FROM_0, changes_results=False)
    min_success: int = flag(0, "clients that must succeed in a round; with fewer the run ends (0: all that take part)",
                            valid=WHOLE_FROM_0, changes_results=False)

    skip_evalnum: int = flag(1, "evaluate every N-th round only (the first and the last always)", valid=WHOLE_FROM_1,
                             opens="what is evaluated and written")
    run_dir: str = flag("", "folder of this run's record (default: log/<settings>-<time>)",
                        changes_results=False)
    track: str = flag("none", "also send the metrics to a tracker, one of utils/record/trackers/; it writes on this "
                              "machine", choices=TRACKERS, changes_results=False)
    push_to_hub: str = flag("", "send the run's model to this NAME/REPO of the Hugging Face hub, made (private) if "
                                "absent", valid=HUB_REPOSITORY, changes_results=False)
    hub_public: bool = flag(False, "make the repository of --push_to_hub a public one", changes_results=False)
    resume: bool = flag(False, "go on with the run in --run_dir (default: the last one of these settings in log/), "
                               "from its last whole round", changes_results=False)

    def __post_init__(self) -> None:
        check_flags(self)
        if self.n_gpus == 0 and self.gpus_per_client != 1.0:
            raise UserError(f"--gpus_per_client {self.gpus_per_client:g}: needs --n_gpus above 0")
        if self.n_gpus and self.gpus_per_client > self.n_gpus:
            raise UserError(f"--gpus_per_client {self.gpus_per_client:g}: more than --n_gpus {self.n_gpus}")
        if self.gpus_per_client > 1 and not self.gpus_per_client.is_integer():
            raise UserError(f"--gpus_per_client {self.gpus_per_client:g}: above 1 it must be a whole number")
        if self.partitioner != "lang_mix" and self.lang_mix:
            raise UserError(f"--partitioner {self.partitioner} and --lang_mix {self.lang_mix:g} contradict each other: "
                            "give one of them")
        if self.strategy == "averaging" and self.server_lr:
            raise UserError(f"--server_lr {self.server_lr:g}: --strategy averaging has none; name a server optimizer")
        if self.strategy != "averaging" and self.centralized:
            raise UserError(f"--strategy {self.strategy} and --centralized contradict each other: give one of them")
        if self.partitioner == "lang_mix" and self.alpha != ALPHA:
            raise UserError(f"--alpha {self.alpha:g}: --partitioner lang_mix has none; give --partitioner dirichlet")
        if self.hub_public and not self.push_to_hub:
            raise UserError("--hub_public: there is nothing to send; name the repository by --push_to_hub NAME/REPO")
        if self.random_init and self.load_model:
            raise UserError("--random_init and --load_model contradict each other: give one of them")

    @property
    def start_flag(self) -> str:
        """The flag that names the model the run starts from."""
        return "load_model" if self.load_model else "model"

    @property
    def model_name(self) -> str:
        """What people call the model that the run starts from: of a path, the last folder; of NAME@REV, the name."""
        return split_revision(self.load_model or self.model)[0].rstrip("/").rpartition("/")[2]

    @property
    def method(self) -> str:
        """The run's kind: centralized, iid, noniid, mix<m>, dirichlet<alpha> or <partitioner>.

        Then -partial<f> if clients are sampled, -<strategy><server_lr> if a server optimizer makes the rounds' steps,
        and -keep if the clients' moments are kept.
        """
        word = {0.0: "noniid", 0.99: "iid"}.get(self.lang_mix, f"mix{self.lang_mix:g}")
        if self.partitioner != "lang_mix":
            word = self.partitioner + (f"{self.alpha:g}" if self.partitioner == "dirichlet" else "")
        if self.centralized:
            word = "centralized"
        elif self.frac_fit < 1:
            word += f"-partial{self.frac_fit:g}"
        if self.strategy != "averaging":
            word += f"-{self.strategy}" + (f"{self.server_lr:g}" if self.server_lr else "")
        return word + ("-keep" if self.optimizer_state == "keep" else "")

    @property
    def over_machines(self) -> bool:
        """Whether workers may be on other machines, which share folders with this one but no memory."""
        return bool(self.ray_address) and self.transport == "message"

    @property
    def threads(self) -> int:
        """Threads of one client's arithmetic: `n_cpu`, rounded down, at least 1."""
        return max(1, int(self.n_cpu))


class OneLineParser(argparse.ArgumentParser):
    """argparse, but an error is one line: the usage of thirty flags would bury it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {one_line(message)} (see --help)\n")


def build_parser(tasks: Sequence[str], prog: str) -> argparse.ArgumentParser:
    """Return the parser of all flags, in RunConfig's order. `tasks`: what `--data` takes; errors begin with `prog`."""
    parser = OneLineParser(
        prog=prog, usage="main_lm.py [flags]", allow_abbrev=False,
        description="Fine-tune a language model by averaging the parameters of clients, or (--centralized) on "
                    "all rows, and evaluate it on every domain.",
        epilog=f"Tasks: {', '.join(tasks)}. Results go to stdout, everything else to stderr.")
    for field in dataclasses.fields(RunConfig):
        if field.metadata["opens"]:
            group = parser.add_argument_group(field.metadata["opens"])
        names = ["--" + name for name in (field.name, *field.metadata["also"])]
        help_text = field.metadata["help"].replace("%", "%%")
        if field.type is bool:
            group.add_argument(*names, action="store_true", help=help_text)
            continue
        if field.default not in ("", None):
            help_text += f" (default: {field.default})"
        group.add_argument(*names, dest=field.name, default=field.default, help=help_text,
                            type=PARSERS.get(field.type, str),
                            choices=field.metadata["choices"] or None,
                            metavar=None if field.metadata["choices"] else field.name.upper())
    return parser


def parse_flags(argv: list[str] | None, tasks: Sequence[str], prog: str = "main_lm.py") -> RunConfig:
    """Return the RunConfig of a command line of `prog`; a wrong flag exits with 2 and one line on stderr."""
    parser = build_parser(tasks, prog)
    options = vars(parser.parse_args(argv))
    try:
        if options["data"] not in tasks:
            raise UserError(f"--data {options['data']}: no such task; the tasks are {', '.join(tasks)}")
        return RunConfig(**options)
    except UserError as error:
        parser.error(str(error))
