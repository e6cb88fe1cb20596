"""Yelp review polarity: does the review give one or two stars, or more than three?

    python preprocess/yelp.py [--source hub | PATH] [--out DIR]

The official files are `train.csv` and `test.csv`: a line is `"1","…"` (negative) or `"2","…"`. As in the hub's copy, a
text is kept as it stands between its quotes, where a line end is written \\n and a quote \\"".
"""

import re
from pathlib import Path

from preprocess.common import main
from preprocess.sources import Glue, find_folder, read_splits
from utils.data.readers import Row, read_lines
from utils.data.task import CONVERTED, Origin, TaskSpec
from utils.errors import quoted

SPEC = TaskSpec(
    name="yelp",
    kind="classification",
    text=("text",),
    labels=("negative", "positive"),
    metrics=("accuracy",),
    prompt="yelp review: {text}",
    label_words=("negative", "positive"),
    test_split="test",
    citation="Zhang, Zhao, LeCun 2015, Character-level Convolutional Networks for Text Classification",
    origin=Origin("fancyzhx/yelp_polarity", "plain_text", license="Yelp's terms of its data set",
                  revision=CONVERTED),
)
LINE = re.compile(r'"([12])","(.*)"')
read_hub = Glue(SPEC, folder="", codes=("1", "2"), hub_names={"train": "train", "test": "test"}).read_hub


def read_files(path: Path) -> dict[str, list[Row]]:
    """Return split → rows of the official files; raises UserError as find_folder and read_lines do."""
    folder = find_folder(path, "train.csv", "yelp_review_polarity_csv")
    return read_splits(folder, {split: f"{split}.csv" for split in ("train", "test")}, SPEC,
                       lambda file: read_lines(file, table_row))


def table_row(record: dict[str, str]) -> Row:
    """Return the table's row of a line; raises ValueError for one of another form."""
    found = LINE.fullmatch(record["line"])
    if not found:
        raise ValueError(f'{quoted(record["line"])} is no "1","text" or "2","text"')
    return {"text": found[2].strip(), "label": int(found[1]) - 1, "domain": "all"}

if __name__ == "__main__":
    main(SPEC)
