"""The rows a global model is evaluated on, cut into parts for the workers and put together again."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from utils.config import RunConfig
from utils.console import NOTES
from utils.data.batches import evaluation_batches
from utils.data.evaluation_sets import HEADLINE, HELD_OUT
from utils.data.partition import Domains, Plan, first_rows
from utils.data.table import Table
from utils.errors import UserError, in_short
from utils.plugins import EVALUATION_SETS

Read = Callable[[Table, str], pa.Table]  #: what returns a table's rows of a split as `Table.split`, or kept from before
#: what records, trackers and workers' answers have beside the sets' results (held to a run by test_evaluation_sets.py)
TAKEN = frozenset("round rounds participants clients failed step diagnosis train seconds part data model model_commit "
                  "method seed parameters all_parameters rows_trained majority majority_of best".split())
ROWS_PER_BATCH = 32  # the fastest of 4 to 128 on one core, by little; fixed, as a row's last bits depend on its batch


@dataclass(frozen=True)
class Chosen:
    """The rows of an evaluation set: those of a split of a table of the run's task, or of another's as one of it."""

    name: str
    table: Table
    split: str
    domains: Domains

    @property
    def parallel(self) -> int | None:
        """Of a task with parallel domains, one after another in the split: how many rows each has there. Else None.

        Rows whose numbers are so many apart, or a multiple, are then one sentence in several languages, say.
        """
        sizes = [*self.table.card["splits"][self.split]["domains"].values()]
        if not self.table.own.spec.origin.parallel or len({*sizes}) > 1:
            return None
        domain = np.asarray(self.table.split(self.split)["domain"].to_pylist()).reshape(-1, sizes[0])
        return sizes[0] if (domain == domain[:, :1]).all() else None

    @property
    def fingerprint(self) -> str:
        """64 hex digits: sets have the same one exactly when they have the same rows in the same domains."""
        digest = hashlib.sha256(json.dumps([self.table.own.fingerprint, self.split, self.domains.names]).encode())
        for rows in self.domains.rows:
            digest.update(json.dumps(rows.tolist()).encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class EvaluationSet:
    """Rows of one split with their domains. `rows` int64 [n]; `labels` float64 [n]; `batches` positions into both.

    `alike`: what each class counts as where the labels do not tell all apart, see `LabelMap`; () where they do.
    """

    name: str
    split: str  # a key of TaskData's tokens and labels
    rows: np.ndarray
    labels: np.ndarray
    domains: tuple[str, ...]
    positions: tuple[np.ndarray, ...]  # per domain, its positions in `rows`
    batches: tuple[np.ndarray, ...]
    alike: tuple[int, ...] = ()

    def part(self, part: int, parts: int) -> list[np.ndarray]:
        """Return the batches that worker `part` of `parts` evaluates.

        They are dealt out to and fro, longest first, so that all parts cost about the same.
        """
        to_and_fro = part, 2 * parts - 1 - part
        return [batch for k, batch in enumerate(self.batches) if k % (2 * parts) in to_and_fro]

    def assemble(self, parts: list[np.ndarray]) -> np.ndarray:
        """Return [3, n] (prediction, loss, weight) in row order from each part's [3, rows of the part]."""
        result = np.full((3, len(self.rows)), np.nan)
        for part, columns in enumerate(parts):
            mine = self.part(part, len(parts))
            if mine:
                result[:, np.concatenate(mine)] = columns
        return result


def chosen_rows(config: RunConfig, table: Table, plan: Plan) -> list[Chosen]:
    """Return the evaluation sets of the run's own table, the headline first.

    Raises UserError, naming the file, for a name that a record has other uses for, and for what is no split of the
    table with rows of it.
    """
    found = []
    for name in sorted(EVALUATION_SETS.names(), key=lambda name: (name != HEADLINE, name != HELD_OUT, name)):
        if name in TAKEN:
            raise UserError(f"{EVALUATION_SETS.file(name)}: a record has something else of this name; give the file "
                            "another one")
        module = EVALUATION_SETS.load(name)
        try:
            chosen = module.rows(config, table, plan)
            if chosen is None:
                continue
            split, domains = chosen
            if split not in table.splits:
                raise ValueError(f"no split {split!r}; it has {', '.join(table.splits)}")
            check_rows(domains, table.rows(split))
        except UserError:
            raise
        except Exception as error:  # whatever a user's file may do
            raise UserError(f"{EVALUATION_SETS.file(name)}: rows(config, table, plan): {type(error).__name__}: "
                            f"{in_short(error)}; mend it, or remove it") from error
        found.append(Chosen(name, table, split, domains))
    return found


def out_of_domain(table: Table, plan: Plan, sets: Sequence[Chosen], read: Read) -> list[str]:
    """Return the names of the sets out of domain: of another task's rows, or of natural domains without training rows.

    `table` and `plan` are the run's; `read`: see `Table.split`.
    """
    def domains(split: str, rows: np.ndarray) -> set[str]:
        return {*read(table, split)["domain"].take(pa.array(rows)).unique().to_pylist()}

    known = domains(table.train_split, np.concatenate(plan.train.rows))
    return [each.name for each in sets if each.table is not table
            or known.isdisjoint(domains(each.split, np.concatenate(each.domains.rows)))]


def cut(sets: Sequence[Chosen], n: int) -> list[Chosen]:
    """Return the sets with at most `n` rows of each domain (0: all): without the domains and the sets without rows."""
    found = []
    for each in sets:
        domains = first_rows(each.domains, n)
        kept = [(domain, rows) for domain, rows in zip(domains.names, domains.rows) if len(rows)]
        if len(kept) < max(1, len(domains.names)):
            empty = [domain for domain, rows in zip(domains.names, domains.rows) if not len(rows)]
            NOTES.info("evaluation set %s: without rows, so left out: %s", each.name, ", ".join(empty) or "all of it")
        if kept:
            found.append(replace(each, domains=Domains(*zip(*kept))))
    return found


def check_rows(domains: Domains, n_rows: int) -> None:
    """Raise ValueError unless each domain has a name and ascending numbers of rows of a split that has `n_rows`."""
    if len(domains.names) != len(domains.rows) or len({*domains.names}) != len(domains.names):
        raise ValueError(f"{len(domains.rows)} domains need as many different names")
    for name, rows in zip(domains.names, domains.rows):
        if not np.issubdtype(rows.dtype, np.integer):
            raise ValueError(f"the rows of domain {name} are {rows.dtype}, not their numbers")
        if len(rows) and (rows[0] < 0 or rows[-1] >= n_rows or (np.diff(rows) <= 0).any()):
            raise ValueError(f"the rows of domain {name} must be ascending numbers from 0 to {n_rows - 1}")


def evaluation_set(name: str, split: str, domains: Domains, labels: np.ndarray, lengths: np.ndarray,
                   choices: int, alike: tuple[int, ...] = ()) -> EvaluationSet:
    """Build the set of a split's `domains`; `labels` and `lengths` (tokens) are those of the whole split."""
    rows = np.concatenate(domains.rows)
    ends = np.cumsum([len(part) for part in domains.rows])
    positions = tuple(np.split(np.arange(len(rows)), ends[:-1]))
    batches = evaluation_batches(lengths[rows], max(1, ROWS_PER_BATCH // choices))
    return EvaluationSet(name, split, rows, labels[rows].astype(np.float64), domains.names, positions,
                         tuple(batches), alike)
