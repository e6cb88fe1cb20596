"""SciTail 1.1: does the sentence from the web entail the answer to the science question?

    python preprocess/scitail.py [--source hub | PATH] [--out DIR]

The official files are those of the folder `snli_format`, `scitail_1.0_train.txt` and so on. What they call `neutral` is
`not_entailment` here: there is no contradiction. The hub's `tsv_format` lacks rows, so its `snli_format` is read too.
"""

from preprocess.common import main
from preprocess.sources import HUB_SPLITS, Glue
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="scitail",
    kind="classification",
    text=("premise", "hypothesis"),
    labels=("entailment", "not_entailment"),
    metrics=("accuracy",),
    prompt="scitail hypothesis: {hypothesis} premise: {premise}",
    label_words=("entailment", "not_entailment"),
    test_split="test",
    citation="Khot, Sabharwal, Clark 2018, SciTail: A Textual Entailment Dataset from Science Question Answering",
    origin=Origin("allenai/scitail", "snli_format"),
)
SOURCE = Glue(
    SPEC, folder="SciTailV1.1/snli_format", codes=("entailment", "neutral"), label="gold_label", json=True,
    renamed={"premise": "sentence1", "hypothesis": "sentence2"},
    files={split: f"scitail_1.0_{split}.txt" for split in ("train", "dev", "test")},
    hub_names={**HUB_SPLITS, "test": "test"},
)
read_files, read_hub = SOURCE.read_files, SOURCE.read_hub

if __name__ == "__main__":
    main(SPEC)
