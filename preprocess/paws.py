"""PAWS-Wiki, paraphrase adversaries from word scrambling: do sentences of the same words say the same?

    python preprocess/paws.py [--source hub | PATH] [--out DIR]

The labelled pairs: `final/train.tsv`, `dev.tsv` and `test.tsv` of the official archive, whose fields are read as csv
has quoted them. The texts are in tokens parted by blanks.
"""

from preprocess.common import main
from preprocess.sources import HUB_SPLITS, Glue
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="paws",
    kind="classification",
    text=("sentence1", "sentence2"),
    labels=("not_paraphrase", "paraphrase"),
    metrics=("f1", "accuracy"),
    prompt="paws sentence1: {sentence1} sentence2: {sentence2}",
    label_words=("not_paraphrase", "paraphrase"),
    test_split="test",
    citation="Zhang, Baldridge, He 2019, PAWS: Paraphrase Adversaries from Word Scrambling",
    origin=Origin("google-research-datasets/paws", "labeled_final", license="free use, with acknowledgement of Google"),
    symmetric=True,
)
SOURCE = Glue(
    SPEC, folder="paws/final", codes=("0", "1"), quotes="undone",
    files={split: f"{split}.tsv" for split in ("train", "dev", "test")}, hub_names={**HUB_SPLITS, "test": "test"},
)
read_files, read_hub = SOURCE.read_files, SOURCE.read_hub

if __name__ == "__main__":
    main(SPEC)
