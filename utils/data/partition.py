"""Rows → domains → shards: which training rows each client holds, by `lang_mix`.

A domain is a set of rows of one kind (an MNLI genre, an XNLI language, a slice of the table). Client k's home
is domain k; `lang_mix` says how much of it is exchanged for a mixture of all domains.
"""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa

from utils.config import RunConfig
from utils.data.columns import numbers
from utils.data.shards import partitioned
from utils.data.task import TaskSpec
from utils.errors import UserError
from utils.seeds import generator

DEFAULT_SLICES = 3  # contiguous thirds, as published, for tasks without natural domains


@dataclass(frozen=True)
class Domains:
    """The domains of one split: `names[d]`, and `rows[d]`, int64 row indices in ascending order."""

    names: tuple[str, ...]
    rows: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Plan:
    """Which rows are trained on and evaluated. `shards[k]`: int64 train-row indices of client k, ascending."""

    shards: tuple[np.ndarray, ...]
    train: Domains
    val: Domains  # held out of the training rows by `val_ratio`; empty when that is 0
    test: Domains  # at most `--test N` rows of each, as of the training rows
    left_out: Domains = Domains((), ())  # likewise the test rows of the domains that `--hold_out_domain` names
    unseen: Domains = Domains((), ())  # likewise those of natural domains that no training row is of


def make_plan(config: RunConfig, spec: TaskSpec, train: pa.Table, test: pa.Table) -> Plan:
    """Return the plan of a run on these splits.

    It is a pure function of its arguments, so every worker makes the same plan for itself.
    Raises UserError, naming the flag, for a domain that the task or the rows cannot give.
    """
    if config.n_clients > train.num_rows:
        raise UserError(f"--n_clients {config.n_clients}: {spec.name} has {train.num_rows} training rows; "
                        "give at most one client per row")
    n_slices = config.n_clients or DEFAULT_SLICES
    by = domains_by(config, spec)
    whole = split_domains(train, spec, by, n_slices)
    # Label domains are for training skew: a test domain of one label has no Matthews correlation or F1.
    test_by = "auto" if config.domain_by == "label" else config.domain_by
    tested = first_rows(split_domains(test, spec, test_by, n_slices), config.test)
    kept, held_out = hold_out(first_rows(whole, config.test), config.val_ratio, config.seed)
    # Rows are drawn before domains go, so that those of the others are the same with and without them.
    left = left_out(config.hold_out_domain, by, spec, train["domain"].unique().to_pylist(), tested.names)
    kept, held_out = without(kept, left), without(held_out, left)
    tested, away, unseen = in_and_out(tested, kept.names if by == "natural" else tested.names, left)
    for split, domains in (("training", kept), ("test", tested)):
        for name, rows in zip(domains.names, domains.rows):
            if not len(rows):
                raise UserError(f"--data {spec.name}: domain {name} has no {split} rows; use fewer domains "
                                "(--n_clients, --domain_by), a smaller --val_ratio or a larger --test")
    if config.centralized:
        return Plan((np.sort(np.concatenate(kept.rows)),), kept, held_out, tested, away, unseen)
    shards = of_one(shards_of(config, spec, train, kept), config.only_client)
    return Plan(shards, kept, held_out, tested, away, unseen)


def shards_of(config: RunConfig, spec: TaskSpec, train: pa.Table, kept: Domains) -> tuple[np.ndarray, ...]:
    """Return each client's shard of the training rows `kept`. Raises UserError for a client that would have none."""
    n_clients = n_clients_of(config, kept)
    if config.partitioner != RunConfig.partitioner:
        return partitioned(config, spec, train, np.sort(np.concatenate(kept.rows)), n_clients)
    homes = home_rows(kept.rows, n_clients)
    if min(map(len, homes)) == 0:
        raise UserError(f"--n_clients {config.n_clients}: more clients than rows in a domain of {spec.name}; "
                        "give fewer")
    return mix(homes, config.lang_mix, config.seed)


def n_clients_of(config: RunConfig, kept: Domains) -> int:
    """Return how many clients the training rows `kept` are cut into: one for each domain, but for --n_clients."""
    return config.n_clients or len(kept.names)


def of_one(shards: tuple[np.ndarray, ...], client: int) -> tuple[np.ndarray, ...]:
    """Return the shard of `client` alone, or all for −1. Raises UserError if there is no such client."""
    if client >= len(shards):
        raise UserError(f"--only_client {client}: there are {len(shards)} clients, 0 to {len(shards) - 1}")
    return shards if client < 0 else (shards[client],)


def domains_by(config: RunConfig, spec: TaskSpec) -> str:
    """Return what a domain of a run's training rows is: natural, slices or label."""
    return config.domain_by if config.domain_by != "auto" else "natural" if spec.natural_by_default else "slices"


def left_out(flag: str, by: str, spec: TaskSpec, train: Collection[str], tested: Collection[str]) -> set[str]:
    """Return the domains that `--hold_out_domain` names.

    `by`: what a domain is; `train` and `tested`: those of the training rows, which are natural, and of the test rows.
    Raises UserError for names that are no natural domains of the training rows, or not tested on, and where none
    remains.
    """
    if not flag:
        return set()
    left, there = {*flag.split(",")}, sorted(train)
    if by != "natural":
        instead = (f"give --domain_by natural, which has {', '.join(there)}" if spec.domain and len(there) > 1
                   else f"this table of {spec.name} has no natural ones")
        raise UserError(f"--hold_out_domain {flag}: the domains are by {by}; {instead}")
    if unknown := sorted(left - {*there}):
        raise UserError(f"--hold_out_domain {flag}: no domain {unknown[0]} in the training rows of {spec.name}; they "
                        f"have {', '.join(there)}")
    if untested := sorted(left - {*tested}):
        raise UserError(f"--hold_out_domain {flag}: no test row is of the domain {untested[0]}; there are those of "
                        f"{', '.join([name for name in there if name in tested] or tested)}")
    if left == {*there} or left == {*tested}:
        raise UserError(f"--hold_out_domain {flag}: leaves no domain of {spec.name} to train and test on; name fewer")
    return left


def in_and_out(tested: Domains, trained: Collection[str], left: Collection[str]) -> tuple[Domains, Domains, Domains]:
    """Return the test rows of domains that are trained on, of those that are left out, and of all others.

    Where none is trained on, the others are what is tested on: a split may be of other domains altogether, as MNLI's
    mismatched one is.
    """
    rest = without(tested, left)
    seen = only(rest, trained)
    if not seen.names:
        return rest, only(tested, left), Domains((), ())
    return seen, only(tested, left), without(rest, trained)


def only(domains: Domains, names: Collection[str]) -> Domains:
    """Return those of the domains that `names` has."""
    kept = [(name, rows) for name, rows in zip(domains.names, domains.rows) if name in names]
    return Domains(tuple(name for name, _ in kept), tuple(rows for _, rows in kept))


def without(domains: Domains, names: Collection[str]) -> Domains:
    """Return the domains that `names` has not."""
    return only(domains, {*domains.names}.difference(names))


def split_domains(split: pa.Table, spec: TaskSpec, domain_by: str, n_slices: int) -> Domains:
    """Cut a split (with `domain` and `label`) into its domains.

    Raises UserError when the task has no natural domains or its labels are numbers.
    """
    if domain_by == "auto":
        domain_by = "natural" if spec.natural_by_default else "slices"
    if domain_by == "slices":
        rows = np.array_split(np.arange(split.num_rows), n_slices)
        return Domains(tuple(f"slice{k + 1}" for k in range(n_slices)), tuple(rows))
    if domain_by == "natural":
        if not spec.domain:
            raise UserError(f"--domain_by natural: {spec.name} has no natural domains; use slices or label")
        column = np.asarray(split["domain"].to_pylist())
        names = tuple(sorted(set(column.tolist())))
        if len(names) < 2:  # the hub's copies of CoLA and STS-B leave the column out
            raise UserError(f"--domain_by natural: this table of {spec.name} does not say the rows' {spec.domain}; "
                            "make it from the official files (--source), or use slices or label")
        return Domains(names, tuple(np.flatnonzero(column == name) for name in names))
    if spec.kind != "classification":
        what = "numbers" if spec.kind == "regression" else "places in a list of choices"
        raise UserError(f"--domain_by label: the labels of {spec.name} are {what}, not classes; use slices")
    labels = numbers(split["label"])
    return Domains(spec.labels, tuple(np.flatnonzero(labels == k) for k in range(len(spec.labels))))


def first_rows(domains: Domains, n: int) -> Domains:
    """Keep `n` rows of each domain (all if n is 0), drawn once and for all: the same for every seed."""
    if not n:
        return domains
    draw = [generator(0, "subset", d).permutation(len(rows))[:n] for d, rows in enumerate(domains.rows)]
    return Domains(domains.names, tuple(np.sort(rows[keep]) for rows, keep in zip(domains.rows, draw)))


def hold_out(domains: Domains, ratio: float, seed: int) -> tuple[Domains, Domains]:
    """Cut ⌊ratio·n⌋ random rows, at least one if ratio > 0, off each domain; return (kept, held out)."""
    kept, held_out = [], []
    for d, rows in enumerate(domains.rows):
        size = max(int(exact(ratio) * len(rows)), 1 if ratio else 0)
        order = generator(seed, "validation", d).permutation(len(rows))
        held_out.append(np.sort(rows[order[:size]]))
        kept.append(np.sort(rows[order[size:]]))
    return Domains(domains.names, tuple(kept)), Domains(domains.names, tuple(held_out))


def home_rows(domains: tuple[np.ndarray, ...], n_clients: int) -> list[np.ndarray]:
    """Return the rows each client is at home in: client k of K in domain k, when there are K domains.

    With more clients than domains, domain d is cut into contiguous parts for clients d, d+D, d+2D, …; with
    fewer, client k is at home in domains k, k+K, k+2K, ….
    """
    n_domains = len(domains)
    if n_clients <= n_domains:
        return [np.sort(np.concatenate(domains[k::n_clients])) for k in range(n_clients)]
    homes: dict[int, np.ndarray] = {}
    for d, rows in enumerate(domains):
        clients = range(d, n_clients, n_domains)
        for client, part in zip(clients, np.array_split(rows, len(clients))):
            homes[client] = part
    return [homes[client] for client in range(n_clients)]


def mix(homes: list[np.ndarray], lang_mix: float, seed: int) -> tuple[np.ndarray, ...]:
    """Exchange rows between the homes: the shards of `lang_mix` m, each in ascending row order.

    Client k keeps ⌊(1−m)·n_k⌋ random rows of its home. All others form a pool, shuffled and dealt round the
    clients, so that its expected mixture is (1−m)·own + m·everything and each row is used once. At m = 1 the
    pool is dealt home by home, so the rows of one home that any two clients get differ by at most 1.
    """
    rng = generator(seed, "lang_mix")
    own, pool = [], []
    for rows in homes:
        shuffled = rng.permutation(rows)
        keep = int((1 - exact(lang_mix)) * len(rows))
        own.append(shuffled[:keep])
        pool.append(shuffled[keep:])
    dealt = np.concatenate(pool)
    if lang_mix < 1:
        dealt = rng.permutation(dealt)
    return tuple(np.sort(np.concatenate([mine, dealt[k::len(homes)]])) for k, mine in enumerate(own))


def exact(ratio: float) -> Fraction:
    """Return the decimal number the user typed: in floats, (1 − 0.9)·10 falls just short of 1."""
    return Fraction(str(ratio))


def n_participants(n_clients: int, frac_fit: float) -> int:
    """Return how many clients take part in each round."""
    return max(1, round(frac_fit * n_clients))
