"""A run's rows, opened: token ids, labels, the plan of shards, and the evaluation sets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.config import RunConfig
from utils.console import NOTES
from utils.data.columns import numbers
from utils.data.evaluation import chosen_rows, cut, evaluation_set, out_of_domain
from utils.data.evaluation_sets import HEADLINE
from utils.data.foreign import ForeignTable, foreign_sets
from utils.data.overlap import Trained, counted, dropped_from, seen_numbers, seen_rows, without
from utils.data.partition import make_plan, n_clients_of, n_participants
from utils.data.table import Table, open_table
from utils.data.task import TaskSpec
from utils.data.tokens import open_tokens, write_tokens
from utils.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class TaskData:
    """The rows of a run as the driver and each worker see them, the same in every process.

    The driver looks for training rows in the evaluation sets, those of the models that its own is `from_` among them;
    what it leaves out is its `dropped`, from which the workers have it.

    `splits[key]` is a split of a table: "train" and "test" are those trained and tested on, any other one of the task's
    that an evaluation set needs has its own name as its key, one of another task TASK:SPLIT. `labels[key]`: float64
    [rows]; `plan`: see utils/data/partition.py; `fewest`: clients that a round has at least; `chosen`: the rows of each
    evaluation set, the headline first, then those of `--ood_data`. After `tokenise`, `tokens[key]` too, and
    `evaluation_sets`. `foreign`: the tables of the other tasks that `--ood_data` names, whose specs are `others`.
    """

    def __init__(self, config: RunConfig, spec: TaskSpec, others: tuple[TaskSpec, ...] = (),
                 dropped: Mapping[str, Sequence[int]] | None = None, from_: Sequence[Trained] = ()) -> None:
        self.config, self.others = config, others
        self.table = open_table(Path(config.data_dir) / spec.name, spec)
        own = {"train": self.table.train_split, "test": self.table.tested_split(config.test_split)}
        self.foreign = [ForeignTable(open_table(Path(config.data_dir) / each.name, each), spec) for each in others]
        self.splits: dict[str, tuple[Table, str]] = {key: (self.table, name) for key, name in own.items()}
        read = cache(lambda table, split: table.split(split))  # kept in here only, as texts are large
        rows = {key: read(self.table, name) for key, name in own.items()}
        self.plan = make_plan(config, spec, rows["train"], rows["test"])
        whole = [*chosen_rows(config, self.table, self.plan), *foreign_sets(config, self.table, self.foreign)]
        # without rounds the run's own rows are not trained on
        self.trained = [Trained.by(self.table, self.plan)][:config.n_iterations] + [*from_]
        self.out_of_domain = out_of_domain(self.table, self.plan, whole, read) if dropped is None else []
        losing = dropped_from(config.overlap, whole, self.out_of_domain) if dropped is None else dropped
        looked = [found for each in whole for found in ([each] if each.name in losing else cut([each], config.test))]
        self._seen = seen_rows(self.trained, looked, read) if dropped is None else {}
        self.dropped = seen_numbers(looked, self._seen, losing) if dropped is None else dropped
        self.chosen = [found for each in looked for found in (
            cut([without(each, self.dropped[each.name])], config.test) if each.name in self.dropped else [each])]
        if self.set_names[:1] != [HEADLINE]:
            raise UserError(f"--overlap {config.overlap}: all test rows are training rows; give --overlap keep")
        for each in self.chosen:
            if (each.table, each.split) not in self.splits.values():
                key = each.split if each.table is self.table else f"{each.table.own.spec.name}:{each.split}"
                key = key if key not in self.splits else f"split {key}"  # where --test_split names another
                self.splits[key], rows[key] = (each.table, each.split), read(each.table, each.split)
        self.labels = {key: numbers(split["label"]).astype(np.float64) for key, split in rows.items()}
        most = n_participants(len(self.plan.shards), config.frac_fit)
        if config.min_success > most:
            raise UserError(f"--min_success {config.min_success}: only {most} take part in a round; "
                            f"give at most {most}, or 0 for all")
        self.fewest = config.min_success or most

    def tokenise(self, tokenizer: "PreTrainedTokenizerFast", text_to_text: bool, lent: Path | None = None) -> None:
        """Open the token ids, made first where no run has made them, and cut the evaluation sets.

        `lent` is the folder that the run's driver has written with `lend`, if it has. Raises UserError when rows lose
        a whole field, unless `--truncate` lets them.
        """
        config = self.config
        self.tokens = {key: open_tokens(table, name, tokenizer, max_length=config.max_length,
                                        text_to_text=text_to_text, cache=table.folder / "tokens",
                                        lent=lent / key if lent else None)
                       for key, (table, name) in self.splits.items()}
        self._check_cuts()
        keys = {split: key for key, split in self.splits.items()}
        self.evaluation_sets = [
            evaluation_set(each.name, key, each.domains, self.labels[key], self.tokens[key].lengths,
                           self.tokens[key].choices, each.table.alike)
            for each in self.chosen for key in [keys[each.table, each.split]]]

    def _check_cuts(self) -> None:
        """Say how many of the rows that are used are cut. Raises UserError as `tokenise`."""
        length, used = self.config.max_length, self._used_rows()
        found = {key: tokens.cuts(length, used[key]) for key, tokens in self.tokens.items()}
        for key, (table, split) in self.splits.items():
            cuts, where, rows = found[key], f"{table.own.spec.name} {split}", f"of {len(used[key]):,} rows"
            if cuts.lost and not self.config.truncate:
                enough = max(each.enough for each in found.values())
                raise UserError(f"--max_length {length}: {cuts.lost:,} {rows} of {where} would lose a whole field; "
                                f"give at least --max_length {enough}, or allow it by --truncate")
            if cuts.rows:
                NOTES.info("%s: %s %s were cut to --max_length %d tokens%s", where, f"{cuts.rows:,}", rows, length,
                           f"; {cuts.lost:,} lost a whole field" if cuts.lost else "")

    def _used_rows(self) -> dict[str, np.ndarray]:
        """Return which rows of each split are trained on or evaluated, int64, each once."""
        parts: dict[str, list[np.ndarray]] = {key: [] for key in self.splits}
        if self.config.n_iterations:
            parts["train"] += self.plan.shards
        for key, place in self.splits.items():
            parts[key] += [rows for each in self.chosen if (each.table, each.split) == place
                           for rows in each.domains.rows]
        return {key: np.unique(np.concatenate([np.zeros(0, np.int64), *some])) for key, some in parts.items()}

    @property
    def training(self) -> RunConfig:
        """The flags by which clients train: with `--large_batch`, a step's batches are those of all clients."""
        clients = n_clients_of(self.config, self.plan.train)
        return replace(self.config, batch_accum=self.config.batch_accum * (clients if self.config.large_batch else 1))

    @property
    def set_names(self) -> list[str]:
        """The names of the evaluation sets, the headline first."""
        return [each.name for each in self.chosen]

    def overlap(self) -> dict[str, dict]:
        """Return how many rows of each evaluation set are training rows, and say so where there are some.

        By the sets' names: "rows", all that were looked at; "training_rows" of them; "fields", how many have that text
        field of one; "dropped", how many are left out, before `--test N` cuts the set.
        """
        return {name: counted(name, self._seen[name], self.table.spec.text, name in self.dropped)
                for name in (*self.set_names, *(name for name in self._seen if name not in self.set_names))}

    @property
    def fingerprints(self) -> dict[str, str]:
        """Those of the task's table and of the other tasks', by the tasks' names."""
        return {table.own.spec.name: table.own.fingerprint for table in (self.table, *self.foreign)}

    @property
    def lent_bytes(self) -> int:
        """The room that `lend` needs."""
        return sum(tokens.nbytes for tokens in self.tokens.values() if not tokens.on_disk)

    def lend(self, folder: Path) -> None:
        """Write the tokens that the cache has no place for into `folder`, for the run's workers."""
        for key, tokens in self.tokens.items():
            if not tokens.on_disk:
                write_tokens(folder / key, tokens)

    def shards_by_domain(self) -> list[dict[str, int]]:
        """Return each client's number of rows of each domain."""
        domains = self.plan.train
        return [{name: int(np.isin(shard, rows, assume_unique=True).sum())
                 for name, rows in zip(domains.names, domains.rows)} for shard in self.plan.shards]

    def shards_by_label(self) -> list[dict[str, int]]:
        """Return each client's number of rows of each label; empty dicts for regression."""
        labels, names = self.labels["train"], self.table.spec.labels
        return [{name: int((labels[shard] == k).sum()) for k, name in enumerate(names)} for shard in self.plan.shards]
