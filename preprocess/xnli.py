"""XNLI 1.0: MultiNLI's question in fifteen languages.

    python preprocess/xnli.py [--source hub | PATH] [--out DIR]

A row's domain is its language. The official files are `xnli.dev.tsv` and `xnli.test.tsv`. MultiNLI's train
rows translated by machine, `multinli.train.<language>.tsv` (XNLI-MT 1.0), become the train split where PATH
holds them; without, the dev rows are trained on. The hub has all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from preprocess.common import main
from preprocess.sources import HUB_SPLITS, find_folder, hub_rows, load_hub
from utils.data.readers import Row, class_index, read_tsv, unlabelled
from utils.data.task import Origin, TaskSpec
from utils.errors import UserError, quoted
from utils.hub.reading import Snapshot

if TYPE_CHECKING:
    from datasets import Dataset

LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
SPEC = TaskSpec(
    name="xnli",
    kind="classification",
    text=("premise", "hypothesis"),
    labels=("entailment", "neutral", "contradiction"),
    metrics=("accuracy",),
    prompt="xnli: premise: {premise} hypothesis: {hypothesis}",
    label_words=("entailment", "neutral", "contradiction"),
    train_splits=("train", "dev"),
    test_split="test",
    domain="language",
    natural_by_default=True,
    citation="Conneau et al. 2018, XNLI: Evaluating Cross-lingual Sentence Representations",
    origin=Origin("facebook/xnli", "all_languages", LANGUAGES, license="CC BY-NC 4.0; the English part as MultiNLI",
                  parallel=True),
)


def read_files(folder: Path) -> dict[str, list[Row]]:
    """Return split → rows: `train` only when at least one language's translated train file is there."""
    root, folder = folder, find_folder(folder, "xnli.test.tsv", "xnli", "XNLI-1.0")
    places = [base / place for base in (folder, root) for place in (".", "multinli", "XNLI-MT-1.0/multinli")]
    train = []
    for language in LANGUAGES:
        paths = [place / f"multinli.train.{language}.tsv" for place in places]
        for path in [path for path in paths if path.is_file()][:1]:
            train += read_translated(path, language)
    columns = ("language", "gold_label", "sentence1", "sentence2")
    tested = {split: read_tsv(folder / f"xnli.{split}.tsv", columns, file_row, label="gold_label")
              for split in ("dev", "test")}
    return {"train": train, **tested} if train else tested


def read_translated(path: Path, language: str) -> list[Row]:
    """Return the rows of one multinli.train file: premise, hypo, label, whose third class has two names."""
    def row(record: dict[str, str]) -> Row:
        label = "contradiction" if record["label"] == "contradictory" else record["label"]
        return table_row(record["premise"], record["hypo"], class_index(SPEC.labels, label), language)

    return read_tsv(path, ("premise", "hypo", "label"), row, label="label")


def read_hub(found: Snapshot) -> dict[str, Iterator[Row]]:
    """Return split → rows of the hub's copy, language after language."""
    by_language = {language: load_hub(found, language) for language in LANGUAGES}
    # chain(*…), not chain.from_iterable(…): the latter would read `name` when rows are had, and then it is the last one
    return {split: chain(*(hub_language(data, name, language) for language, data in by_language.items()))
            for name, split in {**HUB_SPLITS, "test": "test"}.items()}


def hub_language(data: dict[str, Dataset], name: str, language: str) -> Iterator[Row]:
    """Return the rows of one language's hub split; raises UserError when it is missing, or no row has a label."""
    if name not in data:
        raise UserError(f"xnli: the hub's {language} rows have no split {name}; python preprocess/xnli.py "
                        "--source PATH reads the official files")
    dataset = data[name]
    if "label" in dataset.features and all(unlabelled(record, "label") for record in dataset.select_columns("label")):
        raise UserError(f"xnli: the hub's {language} rows have no labels; python preprocess/xnli.py --source PATH "
                        "reads the official files")
    return hub_rows(dataset, SPEC, lambda record: table_row(
        record["premise"], record["hypothesis"], record["label"], language))


def file_row(record: dict[str, str]) -> Row:
    """Return the table's row of a line of xnli.dev.tsv or xnli.test.tsv; raises ValueError for other codes."""
    if record["language"] not in LANGUAGES:
        raise ValueError(f"language {quoted(record['language'])} is none of {', '.join(LANGUAGES)}")
    return table_row(record["sentence1"], record["sentence2"], class_index(SPEC.labels, record["gold_label"]),
                     record["language"])


def table_row(premise: str, hypothesis: str, label: int, language: str) -> Row:
    return {"premise": premise, "hypothesis": hypothesis, "label": label, "domain": language}


if __name__ == "__main__":
    main(SPEC)
