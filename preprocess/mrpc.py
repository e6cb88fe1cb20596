"""MRPC, the Microsoft Research paraphrase corpus: do the two sentences say the same? (GLUE)

    python preprocess/mrpc.py [--source hub | PATH] [--out DIR]

The only GLUE task here whose official test split is labelled, so that one is reported.
"""

from preprocess.common import main
from preprocess.sources import HUB_SPLITS, Glue
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="mrpc",
    kind="classification",
    text=("sentence1", "sentence2"),
    labels=("not_equivalent", "equivalent"),
    metrics=("f1", "accuracy"),
    prompt="mrpc sentence1: {sentence1} sentence2: {sentence2}",
    label_words=("not_equivalent", "equivalent"),
    test_split="test",
    citation="Dolan, Brockett 2005, Automatically Constructing a Corpus of Sentential Paraphrases",
    origin=Origin("nyu-mll/glue", "mrpc", license="Microsoft Research's own terms, research use"),
    symmetric=True,
)
GLUE = Glue(
    SPEC, folder="MRPC", codes=("0", "1"), label="Quality",
    renamed={"sentence1": "#1 String", "sentence2": "#2 String"},
    files={"train": "train.tsv", "dev": "dev.tsv", "test": "msr_paraphrase_test.txt"},
    hub_names={**HUB_SPLITS, "test": "test"},
)
read_files, read_hub = GLUE.read_files, GLUE.read_hub

if __name__ == "__main__":
    main(SPEC)
