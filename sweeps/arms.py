"""The ready arms of a study: baselines that a gain of averaging is to be measured against, made from the study's flags.

A study names them, `baselines = ["centralized", "centralized-linear", …]`, or any of:

    centralized              standard fine-tuning as published: a constant learning rate
    centralized-linear       … its rate falling linearly to 0, after the study's warm-up
    centralized-keep         … as published, but AdamW's moments go on from pass to pass
    centralized-linear-keep  … both
    centralized-swa, -ema    the running average of the weights of one run over all passes
    centralized-large        … with all clients' batches in a step: as many steps in a row as a client makes
    centralized-optimizer    for each method with a server optimizer, that optimizer without averaging
    clients                  each client alone on its shard

They train on as many rows as averaging with all clients does, but for a client alone, which has its own rows only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import preprocess.common as preprocess
from utils.config import EVERY_RUNS, RunConfig
from utils.data.partition import n_participants
from utils.errors import UserError
from utils.flags import nearest, values_of
from utils.plugins import PARTITIONERS, STRATEGIES

Flags = dict[str, Any]  # of main_lm.py, by name

#: flags of several clients, which a run of one client has not
OF_CLIENTS = {"strategy", "match_norm", "frac_fit", "min_success"}
#: as published but for what an arm's name says, whatever the study's other runs have
PUBLISHED = {"optimizer_state": "fresh", "client_average": "none",
             "client_average_from": RunConfig.client_average_from}
CONSTANT = PUBLISHED | {"lr_schedule": "constant", "warmup_ratio": 0.0}
LINEAR = PUBLISHED | {"lr_schedule": "linear"}
KEEP = {"optimizer_state": "keep"}
#: flags of each arm of all rows, beside --centralized
CENTRALIZED: dict[str, Flags] = {
    "centralized": CONSTANT, "centralized-linear": LINEAR, "centralized-keep": CONSTANT | KEEP,
    "centralized-linear-keep": LINEAR | KEEP, "centralized-swa": {"client_average": "swa"},
    "centralized-ema": {"client_average": "ema"}, "centralized-large": {"large_batch": True}}
READY = (*CENTRALIZED, "centralized-optimizer", "clients")


@dataclass(frozen=True)
class Arm:
    """What is compared: `flags` on top of `common`, which are those of every run and of a point of the grid.

    `first`: whether its flags come before those that the command line gives to every run, and so yield to them;
    `twin_of`: the method that it is without averaging, by whose values it is tuned.
    """

    name: str
    common: Flags
    flags: Flags
    first: bool = True
    twin_of: str = ""


def check_ready(names: Sequence[object]) -> None:
    """Raise UserError, with the nearest, for a name of no ready arm."""
    for name in names:
        if name not in READY:
            raise UserError(f"baselines: no arm {name}{nearest(str(name), READY)}; there are {', '.join(READY)}")


def ready_arms(names: Sequence[str], every: Flags, methods: Mapping[str, Flags],
               parsed: Callable[[Arm], RunConfig]) -> Iterator[Arm]:
    """Yield the ready arms of these names at a point of the grid, whose flags are `every`.

    `parsed` returns the configuration of an arm's runs. Raises UserError for rows that cannot be cut into clients'.
    """
    alone = without(every, OF_CLIENTS, STRATEGIES)
    whole = without(alone, {"lang_mix", "partitioner"}, PARTITIONERS)
    for name in names:
        if name in CENTRALIZED:
            flags = {"centralized": True, **CENTRALIZED[name]}
            if flags.get("client_average", "none") != "none":
                config = parsed(Arm(name, whole, {}))
                flags |= {"n_iterations": min(1, config.n_iterations),
                          "epoch": config.epoch * max(1, config.n_iterations)}
            yield Arm(name, whole, flags, first=False)
        elif name == "clients":
            for client in range(n_clients(parsed(Arm(name, alone, {})))):
                yield Arm(f"client{client}", alone, {"only_client": client}, first=False)
        else:
            yield from optimizers(every, methods, parsed)


def optimizers(every: Flags, methods: Mapping[str, Flags], parsed: Callable[[Arm], RunConfig]) -> Iterator[Arm]:
    """Yield an arm for each method with a server optimizer: the same, on one client's model of all rows."""
    for name, flags in methods.items():
        config = parsed(Arm(name, every, flags))
        if config.strategy == RunConfig.strategy or config.one_client or not STRATEGIES.load(config.strategy).alone:
            continue
        own = without(of_one_client(every | flags), set(), STRATEGIES)
        rounds = max(min(1, config.n_iterations), round(config.n_iterations * part_of_clients(config)))
        yield Arm(f"centralized-{name}", own, {"centralized": True, "strategy": config.strategy, "n_iterations": rounds,
                                               **values_of(config.strategy_flags)}, first=False, twin_of=name)


def of_one_client(flags: Flags) -> Flags:
    """Return flags but for those that a run of one client with all rows has not; a strategy's own are left."""
    return without(flags, OF_CLIENTS | {"lang_mix", "partitioner"}, PARTITIONERS)


def part_of_clients(config: RunConfig) -> float:
    """Return the part of the clients that takes part in each round, of whole clients."""
    if config.frac_fit == 1:
        return 1.0
    clients = n_clients(config)
    return n_participants(clients, config.frac_fit) / clients


def without(flags: Flags, names: set[str], *plugins: Any) -> Flags:
    """Return flags but for those of these names, and for the plug-ins' own."""
    return {name: value for name, value in flags.items()
            if name not in names and (name in EVERY_RUNS or not any(kind.owners(name) for kind in plugins))}


def n_clients(config: RunConfig) -> int:
    """Return how many clients a run's rows are cut into; its table is made if it is not there."""
    from utils.data.dataset import TaskData

    preprocess.prepare(config.data, config.source or None, Path(config.data_dir))
    return len(TaskData(config, preprocess.load(config.data).SPEC, dropped={}).plan.shards)
