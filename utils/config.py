"""Flags → RunConfig: every flag once, with its default, its range and its help; a plug-in's are in its own file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from utils.contradictions import check_together
from utils.errors import UserError
from utils.flags import (
    MANY,
    NAMES,
    NOT_NEGATIVE,
    PART,
    POSITIVE,
    SHARE,
    WHOLE_FROM_0,
    WHOLE_FROM_1,
    check_flags,
    fields_of,
    flag,
    spellings,
    typed,
)
from utils.hub_names import HUB_REPOSITORY, split_revision, with_layers
from utils.method_name import method_name
from utils.ood_data import OOD_DATA
from utils.plugins import PARTITIONERS, STRATEGIES, TRACKERS, TRAINED

WITH_FLAGS = (STRATEGIES, PARTITIONERS, TRAINED)  # the plug-ins that bring flags of their own
RAY_ADDRESS = (lambda value: bool(re.fullmatch(r"(auto|[^\s/]+:\d{1,5})?", value)),
               "auto, or the HOST:PORT that `ray start --head` prints")


@dataclass(frozen=True)
class RunConfig:
    """All that decides a run's result, and where it runs and writes. Values are checked when it is made.

    `strategy_flags`, `partitioner_flags` and `train_flags` are values of the chosen plug-ins' `Flags`; None: their
    defaults. Raises UserError, naming the flag, for a value out of range or a contradiction, and for a plug-in that
    cannot be used.
    """

    data: str = flag("sentiment", "task to train on: one of the files in preprocess/ (cola, rte, mnli, …)",
                     opens="the task, and the rows of it that are used")
    data_dir: str = flag("data", "folder of the preprocessed tables and of the token cache",
                         valid=(bool, "the name of a folder"), may_change=True)
    source: str = flag("", "where to make the table from when it is absent: hub, hub@REV, or a folder of the "
                           "official files (default: the task's own, see preprocess/)", may_change=True)
    test: int = flag(0, "use only N rows per domain of each split, the same rows for every seed (0: all)",
                     valid=WHOLE_FROM_0)
    test_split: str = flag("", "split to report on (default: the task's own)")
    ood_data: str = flag("", "also evaluate on rows of other tasks or splits, out of domain: NAME[:split][@domain],… "
                             "(split: that task's test split; domain: all)", valid=OOD_DATA)
    overlap: str = flag("drop_ood", "evaluation rows that are training rows but for case, spaces and punctuation: left "
                                    "out of sets out of domain (drop_ood), of all sets (drop) or of none (keep)",
                        choices=("drop_ood", "drop", "keep"))
    val_ratio: float = flag(0.0, "part of each domain's training rows held out; the best round on them is kept",
                            valid=(lambda value: 0 <= value < 1, "a number from 0 to below 1"))
    max_length: int = flag(128, "tokens kept of each sequence",
                           valid=(lambda value: 8 <= value <= MANY, "a whole number from 8 (to 10^9)"))
    truncate: bool = flag(False, "go on also where --max_length is so short that rows lose a whole field, such as the "
                                 "second sentence", may_change=True)

    model: str = flag("minilm", "Hugging Face model: hub id (NAME@REV: at that branch, tag or commit), local folder, a "
                                "finished run's folder, a PEFT adapter of one of these, or minilm",
                      opens="the model")
    random_init: bool = flag(False, "start from random weights (the model's configuration and tokenizer only)")
    layers: int = flag(0, "keep the model's first N layers only, of an encoder-decoder's stacks each (0: all)",
                       valid=WHOLE_FROM_0)
    load_model: str = flag("", "start from the model of this finished run (or model folder) instead of --model")
    text_to_text: bool = flag(False, "use an encoder-decoder such as BART as text-to-text (T5 always is)")

    lang_mix: float = flag(0.0, "mixing of the domains: 0 each client its own domain (non-IID), 0.99 IID, "
                                "1 exactly even", valid=SHARE, opens="how rows become the clients' shards")
    partitioner: str = flag("lang_mix", "how else to cut the rows, whatever their domain: one of "
                                        "utils/data/partitioners/, such as dirichlet (by label)",
                            choices=PARTITIONERS.names())
    hold_out_domain: str = flag("", "NAME[,NAME]: natural domains that no training row is of; their test rows are "
                                    "reported on their own, out of domain", valid=NAMES)
    n_clients: int = flag(0, "number of clients (0: one per domain); of slices too, where a domain is a slice",
                          valid=WHOLE_FROM_0)
    domain_by: str = flag("auto", "what a domain is: the task's natural domains, contiguous slices of the "
                                  "table, or one domain per label (auto: natural or slices, by task)",
                          choices=("auto", "natural", "slices", "label"))

    centralized: bool = flag(False, "standard fine-tuning: one client holds all rows; --lang_mix and --frac_fit do "
                                    "nothing; of --strategy it takes the server optimizers",
                             opens="rounds of averaging")
    large_batch: bool = flag(False, "with --centralized: a step takes the batches of all the clients that averaging "
                                    "would have, so there are as many steps in a row as a client makes")
    only_client: int = flag(-1, "train client N of the plan alone, as often as it would be in averaging (-1: all)",
                            valid=(lambda value: -1 <= value <= MANY, "a client's number, from 0 (-1: all)"))
    n_iterations: int = flag(5, "rounds of averaging (0: evaluate only)", valid=WHOLE_FROM_0,
                             also=("n_iteration",))
    frac_fit: float = flag(1.0, "part of the clients trained and averaged each round, at least one client",
                           valid=PART)
    strategy: str = flag("averaging", "what the server makes of the clients' models, and what it adds to their "
                                      "training: one of strategies/", choices=STRATEGIES.names())
    match_norm: bool = flag(False, "rescale each round's step to the length of the plain mean's, so that methods are "
                                   "compared at one step length")

    train: str = flag("all", "what of the model is trained and averaged: all, the head (linear probe), the bias terms "
                             "(BitFit) or LoRA's adapters, these two with the head; the rest stays as it is",
                      choices=TRAINED.names(), opens="a client's training")
    epoch: int = flag(1, "local epochs: passes over its shard that a client makes each round", valid=WHOLE_FROM_1)
    batch_size: int = flag(16, "rows per forward pass", valid=WHOLE_FROM_1)
    batch_accum: int = flag(1, "batches per optimizer step: the effective batch is batch_size x batch_accum",
                            valid=WHOLE_FROM_1)
    batching: str = flag("length", "which rows share a batch: rows of about one length, drawn anew in each epoch, or "
                                   "any (plain shuffling, with more padding)", choices=("length", "random"))
    lr: float = flag(5e-5, "AdamW's learning rate", valid=POSITIVE)
    lr_schedule: str = flag("constant", "learning rate over a client's steps of the whole run: constant, or linear "
                                        "down to 0", choices=("constant", "linear"))
    warmup_ratio: float = flag(0.0, "part of these steps in which the rate first rises from 0, linearly", valid=SHARE)
    weight_decay: float = flag(0.0, "AdamW's weight decay, of matrices and embeddings only", valid=NOT_NEGATIVE)
    max_grad_norm: float = flag(0.0, "clip each step's gradient to this norm (0: no clipping)", valid=NOT_NEGATIVE)
    optimizer_state: str = flag("fresh", "a client's AdamW moments: fresh each round (as published), or kept "
                                         "from its last round", choices=("fresh", "keep"))
    client_average: str = flag("none", "what a client (or --centralized) returns of a round: its last weights, or the "
                                       "running average of those after each step (swa: alike, ema: the last 20 most)",
                               choices=("none", "ema", "swa"))
    client_average_from: float = flag(0.5, "part of a round's steps after which that average begins", valid=SHARE)
    precision: str = flag("auto", "arithmetic of training; weights and evaluation are always float32 (auto: bf16 "
                                  "where the processor is faster in it, but fp32 with --train head)",
                          choices=("auto", "fp32", "bf16"))
    fp32_products: str = flag("auto", "library of a CPU's float32 products in evaluation and float32 training: torch's "
                                      "default, or onednn (auto: onednn where it is faster by far)",
                              choices=("auto", "torch", "onednn"))
    compile: bool = flag(False, "compile the model by torch.compile, for small batches on a GPU; the start takes a "
                                "minute more, and last bits and dropout's masks are others")
    deterministic: bool = flag(False, "on a GPU, only algorithms that give the same bits each time, as a CPU's do")
    seed: int = flag(0, "seed of every random choice",
                     valid=(lambda value: 0 <= value < 2**32, "a whole number from 0 to 4294967295"))

    n_cpu: float = flag(1.0, "CPU cores per client", valid=POSITIVE, also=("n_cpus",), opens="the machine")
    n_gpus: int = flag(0, "GPUs of the whole run (0: CPU only)", valid=WHOLE_FROM_0, also=("n_gpu",))
    gpus_per_client: float = flag(1.0, "GPUs each client gets; 0.5 lets two clients share one",
                                  valid=POSITIVE)
    n_workers: int = flag(0, "processes that run clients at once (0: as many as the cores or GPUs allow, but "
                             "no more than clients)",
                         valid=(lambda value: 0 <= value <= 1024, "a whole number from 0 to 1024"),
                         may_change=True)
    ray_address: str = flag("", "join the Ray cluster at this HOST:PORT (auto: the one on this machine) instead of "
                                "starting one; the folders of project and data must be the same on all its nodes",
                            valid=RAY_ADDRESS, may_change=True)
    transport: str = flag("reference", "how vectors reach the clients: by reference through shared memory, or "
                                       "inside Flower's messages", choices=("reference", "message"),
                          may_change=True)
    client_retries: int = flag(2, "how often a client that fails, or whose worker dies, runs again in a round",
                               valid=WHOLE_FROM_0, may_change=True)
    min_success: int = flag(0, "clients that must succeed in a round; with fewer the run ends (0: all that take part)",
                            valid=WHOLE_FROM_0, may_change=True)

    skip_evalnum: int = flag(1, "evaluate every N-th round only (the first and the last always)", valid=WHOLE_FROM_1,
                             opens="what is evaluated and written")
    diagnose: int = flag(0, "in every N-th round (and the last) measure why averaging gives what it gives: norms and "
                            "cosines of the updates, losses of the clients' models, of their mean and half-way between "
                            "two (at most 10 pairs, drawn by the seed); evaluates held-out rows K + 1 + pairs times "
                            "for K participants (0: off)", valid=WHOLE_FROM_0, may_change=True)
    run_dir: str = flag("", "folder of this run's record (default: log/<data>-<model>-<method>-seed<seed>-<time>)",
                        may_change=True)
    save_model: str = flag("all", "which models are kept: all (model/, best_model/ and what goes with them), or none, "
                                  "the record alone", choices=("all", "none"), may_change=True)
    track: str = flag("none", "also send the metrics to a tracker, one of utils/record/trackers/; it writes on this "
                              "machine", choices=TRACKERS.names(), may_change=True)
    push_to_hub: str = flag("", "send the run's model to this NAME/REPO of the Hugging Face hub, made (private) if "
                                "absent", valid=HUB_REPOSITORY, may_change=True)
    hub_public: bool = flag(False, "make the repository of --push_to_hub a public one", may_change=True)
    resume: bool = flag(False, "go on with the run in --run_dir (default: the last one of its name in log/), "
                               "from its last whole round", may_change=True)

    strategy_flags: Any = None
    partitioner_flags: Any = None
    train_flags: Any = None

    def __post_init__(self) -> None:
        check_flags(self)
        for field, cls in plugin_flags(vars(self)).items():
            if getattr(self, field) is None:
                object.__setattr__(self, field, cls())
            if type(getattr(self, field)) is not cls:
                raise TypeError(f"{field}: of another plug-in than the chosen one; make such a config by RunConfig.of")
            check_flags(getattr(self, field))
        check_together(self)

    @classmethod
    def of(cls, /, **values: Any) -> "RunConfig":
        """Return the RunConfig of {flag: value}, those of the chosen plug-ins among them; the others have defaults.

        Raises UserError as RunConfig, and, naming the flag, for one that does not exist, or not with these plug-ins,
        and for a value of another type.
        """
        every = {field.name: field for field in fields_of(cls)}
        rest = {name: value for name, value in values.items() if name not in every}
        config = cls(**{name: typed(field, values[name]) for name, field in every.items() if name in values})
        given = {}
        for flags, of_which in plugin_flags(vars(config)).items():
            given[flags] = of_which(**{field.name: typed(field, rest.pop(field.name))
                                       for field in fields_of(of_which) if field.name in rest})
        for name, value in rest.items():
            wrong = elsewhere(name, vars(config)) or "no such flag; main_lm.py --help lists them"
            raise UserError(f"--{name} {value}: {wrong}")
        return replace(config, **given)

    def flags(self, *, fixed: bool = False) -> dict[str, Any]:
        """Return {flag: value} of all flags, then of the chosen plug-ins'; or only of those that may not change."""
        return {field.name: getattr(flags, field.name)
                for flags in (self, self.strategy_flags, self.partitioner_flags, self.train_flags)
                for field in fields_of(flags)
                if not (fixed and field.metadata["may_change"])}

    @property
    def start(self) -> str:
        """What the run starts from, as its flag names it: a model of the hub or a folder, or minilm."""
        return self.load_model or self.model

    @property
    def start_flag(self) -> str:
        """The flag that names the model the run starts from."""
        return "load_model" if self.load_model else "model"

    @property
    def model_in_records(self) -> str:
        """The model that the run starts from, as its flag names it; with the number of its layers if they are cut."""
        return with_layers(self.start, self.layers)

    @property
    def model_name(self) -> str:
        """What people call that model: of a path, the last folder; of NAME@REV, the name."""
        return with_layers(split_revision(self.start)[0].rstrip("/").rpartition("/")[2], self.layers)

    @property
    def method(self) -> str:
        """The run's kind, as folders, records and reports have it: see utils/method_name.py."""
        return method_name(self)

    @property
    def one_client(self) -> str:
        """The flag by which a single client trains; "" if several do."""
        return "--centralized" * self.centralized or f"--only_client {self.only_client}" * (self.only_client >= 0)

    @property
    def over_machines(self) -> bool:
        """Whether workers may be on other machines, which share folders with this one but no memory."""
        return bool(self.ray_address) and self.transport == "message"

    @property
    def threads(self) -> int:
        """Threads of one client's arithmetic: `n_cpu`, rounded down, at least 1."""
        return max(1, int(self.n_cpu))


EVERY_RUNS = dict.fromkeys(("help", *spellings(RunConfig)), "every run")  # names that no plug-in's flag may have


def plugin_flags(chosen: Mapping[str, str]) -> dict[str, type]:
    """Return the classes of the chosen plug-ins' flags, by the fields of RunConfig that have their values.

    `chosen`: {flag: name}, among others. Raises UserError, naming the file, for a plug-in that cannot be used and for
    a flag whose name another one has.
    """
    taken, classes = dict(EVERY_RUNS), {}
    for plugins in WITH_FLAGS:
        name = chosen[plugins.flag]
        classes[f"{plugins.flag}_flags"] = cls = plugins.flags(name, taken)
        taken |= dict.fromkeys(spellings(cls), f"--{plugins.flag} {name}")
    return classes


def elsewhere(name: str, chosen: Mapping[str, str]) -> str:
    """Say of which plug-ins, other than the `chosen`, `name` is a flag; "" if it is of none."""
    owners = {plugins.flag: plugins.owners(name) for plugins in WITH_FLAGS}
    of = " or ".join(f"--{kind} {' or '.join(names)}" for kind, names in owners.items() if names)
    here = [f"--{kind} {chosen[kind]}" for kind, names in owners.items() if names]
    return of and f"is a flag of {of}; {' and '.join(here)} {'have' if len(here) > 1 else 'has'} no such flag"
