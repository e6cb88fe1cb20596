"""Where rows come from: folders of official files and the hub, and how tasks of one format describe theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.data.readers import (
    NO_LABEL,
    UNLABELLED,
    Quotes,
    Row,
    class_index,
    file_name_part,
    number,
    read_jsonl,
    read_tsv,
    unlabelled,
)
from utils.data.task import TaskSpec
from utils.errors import UserError, in_short, root
from utils.hub.reading import Snapshot

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

HUB_SPLITS = {"train": "train", "validation": "dev"}  # the hub's name → the official one


class NoFiles(UserError):
    """A folder holds none of a task's files."""


def find_folder(path: Path, file: str, *places: str) -> Path:
    """Return the first of `path` and the folders `places` in it that holds `file`; raises NoFiles if none.

    A file as `path` stands for its folder.
    """
    path = path.parent if path.is_file() else path
    for folder in (path, *(path / place for place in places)):
        if (folder / file).exists():
            return folder
    raise NoFiles(f"--source {path}: {file} is neither there nor in its {' or '.join(places)}")


def read_splits(folder: Path, files: dict[str, str], spec: TaskSpec, read: Callable[[Path], list[Row]]) -> dict:
    """Return split → rows of those `files` (split → name) that are there.

    Raises UserError, naming the file, when the first train split's or the test split's is missing.
    """
    needed = (spec.train_splits[0], spec.test_split)
    return {split: read(folder / name) for split, name in files.items()
            if split in needed or (folder / name).exists()}


def load_hub(found: Snapshot, config: str) -> DatasetDict:
    """Return all splits of a configuration of the hub data set `found`.

    Its files are had as a model's are (utils/hub/reading.py) and read where they lie: the library's own way to the hub
    asks other addresses too, and goes by no commit where it reads its cache. Raises UserError when they cannot be had
    or read, or there is no such configuration.
    """
    from datasets import load_dataset

    described = "README.md" in found.files
    try:
        files = _described(found, config) if described else _converted(found, config)
        folder = found.fetch(file for split in files.values() for file in split)
        return load_dataset(*((str(folder), config) if described else ("parquet",)), data_files={
            split: [str(folder / file) for file in some] for split, some in files.items()})
    except UserError:
        raise
    except Exception as error:  # the library raises too many kinds of its own
        raise UserError(f"{found.repo.asked}: cannot be read as a data set: {in_short(root(error))}; "
                        f"{found.repo.otherwise}") from error


def _described(found: Snapshot, config: str) -> dict[str, list[str]]:
    """Return split → the files of a configuration, as the repository's card has them."""
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard

    folder = found.fetch(["README.md"])
    configs = MetadataConfigs.from_dataset_card_data(DatasetCard.load(folder / "README.md").data)
    if config not in configs:
        raise UserError(f"{found.repo.asked}: its configurations are {', '.join(configs) or '(none)'}; "
                        f"expected {config}")
    return _files_of(configs[config]["data_files"], found)


def _converted(found: Snapshot, config: str) -> dict[str, list[str]]:
    """Return split → the files of a configuration in the hub's own conversion to Parquet, a branch without a card."""
    files: dict[str, list[str]] = {}
    for file in sorted(found.files):
        match file.split("/"):
            case [folder, split, name] if folder == config and name.endswith(".parquet"):
                files.setdefault(split, []).append(file)
    if not files:
        raise UserError(f"{found.repo.asked}: has neither a README.md nor files {config}/SPLIT/0000.parquet; "
                        f"{found.repo.otherwise}")
    return files


def _files_of(patterns: Any, found: Snapshot) -> dict[str, list[str]]:
    """Return split → its files, which a card has as `patterns`: only files of `found`, so they lead nowhere else."""
    from datasets.data_files import sanitize_patterns
    from huggingface_hub.utils import filter_repo_objects

    files = {split: sorted(filter_repo_objects(found.files, allow_patterns=some))
             for split, some in sanitize_patterns(patterns).items()}
    for split, some in files.items():
        if not some:
            raise UserError(f"{found.repo.asked}: no file of its split {split} is in it; {found.repo.otherwise}")
    return files


def hub_rows(dataset: Dataset, spec: TaskSpec, row: Callable[[Row], Row], label: str = "label",
             codes: tuple[str, ...] = ()) -> Iterator[Row]:
    """Return the rows that `row` makes of a hub split, in order; of an unlabelled one, NO_LABEL.

    `row` is given the hub's row with `label` turned into the index into `spec.labels`, by the class names the
    hub states, which may be `codes` instead, those of the files; or into a float for regression. Raises UserError when
    those classes are others, and, as rows are had, for a label that is none of them and for whatever `row` complains
    of.
    """
    if label not in dataset.features:
        raise UserError(f"{spec.name}: the hub's columns are {', '.join(dataset.features)}; expected {label}")
    stated = getattr(dataset.features[label], "names", None) or spec.labels
    if sorted(stated) not in (sorted(spec.labels), sorted(codes)):
        raise UserError(f"{spec.name}: the hub's classes are {', '.join(stated)}; "
                        f"expected {', '.join(spec.labels)}")
    classes = dict(enumerate(stated))

    def turned(value: Any) -> int | float:
        if not spec.labels:
            return score(value, spec.scale)
        name = classes.get(value, value)
        return codes.index(name) if name in codes else class_index(spec.labels, name)

    def rows() -> Iterator[Row]:
        for place, record in enumerate(dataset):
            try:
                if unlabelled(record, label) and record[label] not in (*spec.labels, *codes):
                    yield NO_LABEL
                else:
                    yield row({**record, label: turned(record[label])})
            except KeyError as error:
                raise UserError(f"{spec.name}: the hub's columns are {', '.join(record)}; expected {error}") from None
            except ValueError as error:
                raise UserError(f"{spec.name}: the hub's {dataset.split} row {place}: {error}") from None

    return rows()


def score(value: object, scale: tuple[float, ...]) -> float:
    """Return the label of a regression task, on its scale, by the fewest digits that say the same float32.

    The hub holds scores as float32, where the files' 3.8 is 3.799999952316284 and their 2.11111111111111 is
    2.1111112: so both give the same table. Raises ValueError for anything else.
    """
    import numpy as np

    most = float(np.finfo(np.float32).max)
    return float(str(np.float32(number(str(value), *(scale or (-most, most))))))


def hub_splits(spec: TaskSpec, data: dict[str, Dataset], row: Callable[[Row], Row], label: str = "label",
               names: dict[str, str] = HUB_SPLITS, codes: tuple[str, ...] = ()) -> dict[str, Iterator[Row]]:
    """Return split → rows of the splits that are there; `names` gives the hub's name → the official one."""
    return {split: hub_rows(data[name], spec, row, label, codes) for name, split in names.items() if name in data}


@dataclass(frozen=True)
class Glue:
    """How a task's files and hub copy write its rows, where each value has a column, as GLUE's have.

    The hub's columns have the files' names, or those of the task's table where it lacks these; its classes are called
    as the files' or as the task's. `read_files` and `read_hub` are the task's own.
    """

    spec: TaskSpec
    folder: str  #: in the GLUE download, or the task's own
    #: how the files write `spec.labels`, in their order; a regression task has none
    codes: tuple[str, ...] = ()
    label: str = "label"
    #: text column → the files' name for it, where another
    renamed: dict[str, str] = field(default_factory=dict)
    #: column with the row's domain, in the files and (where it has it) on the hub
    domain: str = ""
    same_domain: dict[str, str] = field(default_factory=dict)  #: another spelling → the domain
    files: dict[str, str] = field(default_factory=lambda: {"train": "train.tsv", "dev": "dev.tsv"})
    #: all columns, for files without a header line
    columns: tuple[str, ...] = ()
    quotes: Quotes = "refused"  #: of tab-separated files
    json: bool = False  #: the files are JSON lines, of strings, instead of tab-separated
    hub_names: dict[str, str] = field(default_factory=lambda: HUB_SPLITS)

    def read_files(self, path: Path) -> dict[str, list[Row]]:
        """Return split → rows of the official files; raises UserError as find_folder, read_tsv and read_jsonl do."""
        places = (self.folder, f"glue/{self.folder}", f"GLUE/{self.folder}", Path(self.folder).name)
        folder = find_folder(path, self.files["train"], *dict.fromkeys(places))
        return read_splits(folder, self.files, self.spec, self.read_file)

    def read_file(self, path: Path) -> list[Row]:
        """Return the rows of one file."""
        label = "" if {*self.codes} & {*UNLABELLED} else self.label  # -1 and 1 may be the classes
        if self.json:
            return read_jsonl(path, dict.fromkeys(self.wanted, str), self.file_row, label=label)
        return read_tsv(path, self.columns or self.wanted, self.file_row, label=label, header=not self.columns,
                        quotes=self.quotes)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The files' columns, or keys, that a row is made of."""
        return (*map(self._source, self.spec.text), self.label, *([self.domain] if self.domain else []))

    def file_row(self, record: Row) -> Row:
        """Return the table's row of a line of a file; raises ValueError for a label or domain that cannot be."""
        value = record[self.label]
        label = class_index(self.codes, value) if self.codes else score(value, self.spec.scale)
        domain = record[self.domain] if self.domain else "all"
        return {**{name: record[self._source(name)] for name in self.spec.text}, "label": label,
                "domain": file_name_part(self.same_domain.get(domain, domain))}

    def read_hub(self, found: Snapshot) -> dict[str, Iterator[Row]]:
        """Return split → rows of the hub's copy; raises UserError as load_hub does."""
        return self.hub_rows(load_hub(found, self.spec.origin.config))

    def hub_rows(self, data: dict[str, Dataset]) -> dict[str, Iterator[Row]]:
        """Return split → rows of the hub's splits, as `read_hub` has them."""
        label = self.label if any(self.label in dataset.features for dataset in data.values()) else "label"
        return hub_splits(self.spec, data, self.hub_row, label, self.hub_names, self.codes)

    def hub_row(self, record: Row) -> Row:
        """Return the table's row of a hub row whose label `hub_rows` has turned; no domain column is "all"."""
        def value(source: str, name: str) -> Any:
            return record[source] if source in record else record[name]

        domain = record.get(self.domain, "all")
        return {**{name: value(self._source(name), name) for name in self.spec.text},
                "label": value(self.label, "label"), "domain": self.same_domain.get(domain, domain)}

    def _source(self, name: str) -> str:
        """Return the files' name of a text column."""
        return self.renamed.get(name, name)


@dataclass(frozen=True)
class JsonLines:
    """How a task with train and dev files of JSON lines is read; its `read_files` and `read_hub` are the task's."""

    spec: TaskSpec
    places: tuple[str, ...]  #: its folder, seen from the folders above
    keys: dict[str, type]  #: of each object: see read_jsonl
    file_row: Callable[[Row], Row]
    hub_row: Callable[[Row], Row]
    dev: str = "val.jsonl"
    label: str = "label"  #: key and hub column; what UNLABELLED lists says that a row has none

    def read_files(self, path: Path) -> dict[str, list[Row]]:
        """Return split → rows of the official files; raises UserError as find_folder and read_jsonl do."""
        folder = find_folder(path, "train.jsonl", *self.places)
        return read_splits(folder, {"train": "train.jsonl", "dev": self.dev}, self.spec,
                           lambda file: read_jsonl(file, self.keys, self.file_row, label=self.label))

    def read_hub(self, found: Snapshot) -> dict[str, Iterator[Row]]:
        """Return split → rows of the hub's copy; raises UserError as load_hub does."""
        data = load_hub(found, self.spec.origin.config)
        return hub_splits(self.spec, data, self.hub_row, self.label)
