"""SICK, sentences involving compositional knowledge: how related are the sentences, from 1 to 5?

    python preprocess/sick.py [--source hub | PATH] [--out DIR]

The official file is `SICK.txt`, whose column SemEval_set says a row's split: TRAIN, TRIAL (dev) or TEST. A row's domain
is what its first sentence was made from: FLICKR or SEMEVAL.
"""

from pathlib import Path

from preprocess.common import main
from preprocess.sources import HUB_SPLITS, Glue, find_folder
from utils.data.readers import Row, class_index, read_tsv
from utils.data.task import CONVERTED, Origin, TaskSpec

SPEC = TaskSpec(
    name="sick",
    kind="regression",
    text=("sentence1", "sentence2"),
    labels=(),
    metrics=("pearson", "spearman"),
    prompt="sick sentence1: {sentence1} sentence2: {sentence2}",
    label_words=tuple(f"{fifth / 5:.1f}" for fifth in range(5, 26)),
    test_split="test",
    domain="source",
    citation="Marelli et al. 2014, A SICK cure for the evaluation of compositional distributional semantic models",
    origin=Origin("RobZamp/sick", "default", license="CC BY-NC-SA 3.0", revision=CONVERTED),
    scale=(1, 5),
    symmetric=True,
)
SETS = {"TRAIN": "train", "TRIAL": "dev", "TEST": "test"}
SOURCE = Glue(
    SPEC, folder="SICK", label="relatedness_score", domain="sentence_A_dataset",
    renamed={"sentence1": "sentence_A", "sentence2": "sentence_B"}, hub_names={**HUB_SPLITS, "test": "test"},
)
read_hub = SOURCE.read_hub


def read_files(path: Path) -> dict[str, list[Row]]:
    """Return split → rows of the official file; raises UserError as find_folder and read_tsv do."""
    splits: dict[str, list[Row]] = {split: [] for split in SETS.values()}
    sets = tuple(SETS)

    def row(record: dict[str, str]) -> Row:
        made = SOURCE.file_row(record)
        splits[SETS[sets[class_index(sets, record["SemEval_set"])]]].append(made)
        return made

    read_tsv(find_folder(path, "SICK.txt", "SICK") / "SICK.txt", (*SOURCE.wanted, "SemEval_set"), row)
    return splits

if __name__ == "__main__":
    main(SPEC)
