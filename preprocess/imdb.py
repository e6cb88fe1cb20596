"""IMDB, the large movie review dataset: is the review positive?

    python preprocess/imdb.py [--source hub | PATH] [--out DIR]

The official files are one review each: `train/neg/0_3.txt`, and so on, in `aclImdb`. They have no order, and the hub's
copy has all negative ones first: here, rows are in the order of their texts' SHA-256, so that both give the same table
and each slice has both labels. HTML's line breaks stay in the texts.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from preprocess.common import main
from preprocess.sources import Glue, find_folder
from utils.data.readers import Row, read_lines
from utils.data.task import Origin, TaskSpec
from utils.errors import UserError
from utils.hub.reading import Snapshot

SPEC = TaskSpec(
    name="imdb",
    kind="classification",
    text=("text",),
    labels=("negative", "positive"),
    metrics=("accuracy",),
    prompt="imdb review: {text}",
    label_words=("negative", "positive"),
    test_split="test",
    citation="Maas et al. 2011, Learning Word Vectors for Sentiment Analysis",
    origin=Origin("stanfordnlp/imdb", "plain_text"),
)
SPLITS = ("train", "test")
CODES = ("neg", "pos")
SOURCE = Glue(SPEC, folder="aclImdb", codes=CODES, hub_names={split: split for split in SPLITS})


def read_files(path: Path) -> dict[str, list[Row]]:
    """Return split → rows of the official files; raises UserError as find_folder and read_lines do."""
    folder = find_folder(path, "train/neg", "aclImdb")
    return {split: ordered(review(file, label) for label, code in enumerate(CODES)
                           for file in reviews(folder / split / code)) for split in SPLITS}


def reviews(folder: Path) -> list[Path]:
    """Return the reviews' files of a folder; raises UserError when there are none."""
    found = sorted(folder.glob("*.txt"))
    if not found:
        raise UserError(f"{folder}: no *.txt in it; expected the official files, one review each")
    return found


def review(file: Path, label: int) -> Row:
    """Return the row of one review's file."""
    lines = read_lines(file, dict)
    return {"text": "\n".join(record["line"] for record in lines), "label": label, "domain": "all"}


def read_hub(found: Snapshot) -> dict[str, list[Row]]:
    """Return split → rows of the hub's copy; raises UserError as load_hub does."""
    return {split: ordered(rows) for split, rows in SOURCE.read_hub(found).items()}


def ordered(rows: Iterable[Row]) -> list[Row]:
    """Return rows in the order of their texts' SHA-256; equal texts by their label."""
    return sorted(rows, key=lambda row: (hashlib.sha256(row["text"].encode()).digest(), row["label"]))


if __name__ == "__main__":
    main(SPEC)
