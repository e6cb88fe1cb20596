"""A task's rows on disk: one Parquet file per split and domain, and a card that says what they hold."""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from utils.data.columns import check_row, fault, numbers, schema
from utils.data.readers import file_name_part
from utils.data.task import NOT_IN_TABLES, TABLE_FORMAT, TaskSpec
from utils.errors import UserError, quoted

CARD = "card.json"
CHUNK = 20_000  # rows held in memory at once while writing


class StaleTable(UserError):
    """The table was made for another TaskSpec or TABLE_FORMAT: make it anew, from its `source`."""

    def __init__(self, message: str, source: str | None = None) -> None:
        super().__init__(message)
        self.source = source


class Table:
    """An opened table.

    `folder` (Path), `spec`, `card` (the card's JSON object), `splits` (names, in the order written), `alike` (what
    classes count as that its labels do not tell apart, see `LabelMap`; () but for another task's rows) and
    `fingerprint`: 64 hex digits, the sha256 of the spec and of every value in row order. Two tables have the
    same one exactly when they say the same, whatever wrote the Parquet bytes.
    """

    def __init__(self, folder: Path, spec: TaskSpec, card: dict) -> None:
        self.folder, self.spec, self.card = folder, spec, card
        self.fingerprint: str = card["fingerprint"]
        self.splits: tuple[str, ...] = tuple(card["splits"])
        self.alike: tuple[int, ...] = ()

    @property
    def commit(self) -> str | None:
        """The hub's commit that its rows are of; None where they are from elsewhere."""
        return self.card.get("hub", {}).get("commit")

    @property
    def source(self) -> str:
        """Where its rows are from, as `--source` takes it; of the hub, at the commit that they are of."""
        return f"hub@{self.commit}" if self.commit else self.card["source"]

    @property
    def own(self) -> "Table":
        """The table as its task has it: this one, unless it is made to be of another task (foreign.py)."""
        return self

    @property
    def train_split(self) -> str:
        """The first of the spec's `train_splits` that is here; raises UserError when none is."""
        for name in self.spec.train_splits:
            if name in self.splits:
                return name
        raise UserError(f"{self.folder}: no split to train on; expected {' or '.join(self.spec.train_splits)}, "
                        f"found {', '.join(self.splits)}")

    def tested_split(self, asked: str) -> str:
        """Return the split that is tested on: the one `asked` for by --test_split, or for "" the task's own.

        Raises UserError for one that is not here, or is trained on.
        """
        name, trained = asked or self.spec.test_split, self.train_split
        if name not in self.splits or name == trained:
            others = ", ".join(split for split in self.splits if split != trained)
            raise UserError(f"--test_split {name}: {self.spec.name} can be tested on {others} "
                            f"({trained} is trained on)")
        return name

    def rows(self, name: str) -> int:
        """Return the number of rows of a split, by the card."""
        return self.card["splits"][name]["rows"]

    def split(self, name: str) -> pa.Table:
        """Return all rows of a split in its official order.

        Columns: `row` int64 (0 … rows−1), `domain` string, `label` (int64; float64 for regression), the spec's
        text columns (string) and, for multiple choice, `choices` (list of string).

        Raises UserError naming the file when one is damaged or is not what the card says, and for a name that
        is no split.
        """
        if name not in self.splits:
            raise UserError(f"{self.folder}: no split {name!r}; it has {', '.join(self.splits)}")
        stated = self.card["splits"][name]
        parts = [_read(self.folder / file, self.spec, domain, stated["domains"][domain])
                 for domain, file in stated["files"].items()]
        table = pa.concat_tables(parts).sort_by("row")
        if not np.array_equal(numbers(table["row"]), np.arange(stated["rows"])):
            raise UserError(f"{self.folder}: the rows of split {name} are not 0 to {stated['rows'] - 1}; "
                            f"make the table again with python preprocess/{self.spec.name}.py")
        return table


def open_table(folder: Path, spec: TaskSpec) -> Table:
    """Return the table of a folder.

    Raises StaleTable when it was made for another spec or format, and UserError naming the file when the card
    or a Parquet file is missing or the card is no card.
    """
    path, again = folder / CARD, f"make the table with python preprocess/{spec.name}.py"
    _own_file(path, again)
    try:
        card = json.loads(path.read_bytes())
        made_for = (card["format"], card["spec"])
        files = [file for name, split in card["splits"].items() for file in _files(name, split)]
        kinds = type(card["source"]), type(card.get("hub", {}))
        if not files or kinds != (str, dict) or not re.fullmatch("[0-9a-f]{64}", card["fingerprint"]):
            raise ValueError("it lacks splits, a source or a fingerprint")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is no table's card ({quoted(error, 200)}): {again}") from None
    if made_for != (TABLE_FORMAT, _plain(spec)):
        raise StaleTable(f"{path} is of another version of {spec.name}: {again}", card["source"])
    for file in files:
        _own_file(folder / file, again)
    return Table(folder, spec, card)


def _files(name: str, split: dict) -> list[str]:
    """Return the file names of a card's split; raises ValueError unless they are the very ones `write_table` gives.

    So a card from elsewhere can name no file outside its folder.
    """
    expected = {domain: _file_name(name, domain) for domain in split["domains"]}
    if not expected or split["files"] != expected:
        raise ValueError(f"split {name} has the files {split['files']}, expected {expected}")
    counts = list(split["domains"].values())
    if {*map(type, [split["rows"], *counts])} != {int} or min(counts) < 1 or split["rows"] != sum(counts):
        raise ValueError(f"split {name} has {split['rows']} rows, in its domains {split['domains']}")
    return list(expected.values())


def _file_name(split: str, domain: str) -> str:
    """Return the name of a domain's file; raises ValueError where it would not be a plain name."""
    return f"{file_name_part(split)}-{file_name_part(domain)}.parquet"


def _own_file(path: Path, again: str) -> None:
    """Raise UserError unless `path` is a file: no link, which may lead anywhere, and nothing that never ends."""
    if path.is_symlink():
        raise UserError(f"{path} is a link: put the file itself there, or {again}")
    if not path.is_file():
        raise UserError(f"{path} is missing: {again}")


def write_table(folder: Path, spec: TaskSpec, splits: Mapping[str, Iterable[dict]], source: str,
                hub: Mapping[str, str] | None = None) -> Table:
    """Write the rows of each split (dicts with the columns of `Table.split` except `row`) and return the table.

    It is written beside `folder` and then renamed into place, so no reader meets half a table, and an older
    one stays until the new one is whole. `source` goes into the card, and so does what of the `hub` the rows are:
    {"repo", "config", "commit"}. Rows may be a generator: one pass is made, CHUNK rows at a time. Rows whose label is
    None are left out, and counted in the card.

    Raises UserError for a row that does not fit the spec, for a split without rows, for a folder that holds
    something else than a table, and when the disk refuses.
    """
    if _holds_something_else(folder):
        raise UserError(f"{folder} holds something else than a table: move it, or name another folder with "
                        "--data_dir (of preprocess: --out)")
    made = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    digest = hashlib.sha256(json.dumps(_plain(spec)).encode())
    try:
        made.mkdir(parents=True)
        written = {name: _write_split(made, spec, name, rows, digest) for name, rows in splits.items()}
        card = {"format": TABLE_FORMAT, "spec": _plain(spec), "source": source, "hub": dict(hub or {}),
                "splits": written, "fingerprint": digest.hexdigest()}
        text = json.dumps(card, indent=1, ensure_ascii=False) + "\n"
        (made / CARD).write_bytes(text.encode(errors="backslashreplace"))  # a source's path may be no UTF-8
        _rename(made, folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error}); free some space, or name another folder with "
                        "--data_dir (of preprocess: --out)") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return Table(folder, spec, card)


def _holds_something_else(folder: Path) -> bool:
    """Whether `folder` is a file, or a folder with files but no card.

    Another process may take an older table out of its place meanwhile, and delete it: what was listed counts
    only if it still stands there.
    """
    try:
        before = folder.stat()
        if not stat.S_ISDIR(before.st_mode):
            return True
        names = os.listdir(folder)
        return bool(names) and CARD not in names and os.path.samestat(before, folder.stat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _write_split(folder: Path, spec: TaskSpec, split: str, rows: Iterable[dict],
                 digest: "hashlib._Hash") -> dict:
    """Write the files of one split, feed `digest`, and return the split's entry in the card."""
    columns, scores, unlabelled = schema(spec), [], 0
    labels: Counter[str] = Counter()
    domains: Counter[str] = Counter()
    digest.update(json.dumps([split]).encode())
    with contextlib.ExitStack() as stack:
        writers: dict[str, pq.ParquetWriter] = {}
        for chunk in _chunks(rows):
            by_domain = defaultdict(list)
            for row in chunk:
                if row["label"] is None:
                    unlabelled += 1
                    continue
                row = {**row, "row": domains.total()}
                check_row(row, spec, f"{spec.name}: {split} row {row['row']}")
                values = [row[name] for name in columns.names]
                digest.update(json.dumps(values, ensure_ascii=False).encode())
                domains[row["domain"]] += 1
                if spec.labels:
                    labels[spec.labels[row["label"]]] += 1
                else:
                    scores.append(row["label"])
                by_domain[row["domain"]].append(row)
            for domain, members in by_domain.items():
                if domain not in writers:
                    writers[domain] = stack.enter_context(pq.ParquetWriter(
                        folder / _file_name(split, domain), columns, write_page_checksum=True))
                writers[domain].write_table(pa.Table.from_pylist(members, columns))
    if not domains:
        raise UserError(f"{spec.name}: split {split} has no rows with a label")
    counts = {"rows": domains.total(), "unlabelled": unlabelled, "domains": dict(domains)}
    if spec.labels:
        counts["labels"] = {label: labels[label] for label in spec.labels}
    else:
        counts["scores"] = {"min": min(scores), "mean": sum(scores) / len(scores), "max": max(scores)}
    return {**counts, "files": {domain: _file_name(split, domain) for domain in domains}}


def _read(path: Path, spec: TaskSpec, domain: str, rows: int) -> pa.Table:
    """Return one file's rows; raises UserError when it is damaged, or they are not what the spec and card say."""
    columns, again = schema(spec), f"make the table again with python preprocess/{spec.name}.py"
    try:
        # ParquetFile, not read_table: the latter takes columns of its own from a path such as x=1/
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            found = file.schema_arrow, file.metadata.num_rows
            if not found[0].equals(columns) or found[1] != rows:
                raise UserError(f"{path} is not what {CARD} says: found {found[1]} rows of "
                                f"({', '.join(found[0].names)[:200]}), expected {rows} of "
                                f"({', '.join(columns.names)}); {again}")
            table = file.read()
        table.validate(full=True)  # that text is UTF-8, for one: Arrow reads it as it comes
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be read ({str(error)[:200]}); {again}") from None
    wrong = fault(table, spec, domain)
    if wrong:
        raise UserError(f"{path} is not what {CARD} says: {wrong}; {again}")
    return table


def _rename(made: Path, folder: Path) -> None:
    """Put the folder `made` in the place of `folder`, also while other processes do the same."""
    while True:
        try:
            return os.rename(made, folder)  # POSIX: only over an absent or empty folder
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        old = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
        with contextlib.suppress(FileNotFoundError):  # another process has just taken it away
            os.rename(folder, old)
        shutil.rmtree(old, ignore_errors=True)


def _chunks(rows: Iterable[dict]) -> Iterator[list[dict]]:
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _plain(spec: TaskSpec) -> dict:
    """The spec as it reads back from JSON, without NOT_IN_TABLES: tuples are lists."""
    return json.loads(json.dumps({name: value for name, value in asdict(spec).items() if name not in NOT_IN_TABLES}))
