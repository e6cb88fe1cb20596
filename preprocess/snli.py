"""SNLI 1.0: does the caption of a photograph entail, contradict or leave open the hypothesis?

    python preprocess/snli.py [--source hub | PATH] [--out DIR]

The official files are `snli_1.0_train.jsonl` and so on. Pairs on which the annotators did not agree (`-`) are left out.
"""

from preprocess.common import main
from preprocess.sources import HUB_SPLITS, Glue
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="snli",
    kind="classification",
    text=("premise", "hypothesis"),
    labels=("entailment", "neutral", "contradiction"),
    metrics=("accuracy",),
    prompt="snli hypothesis: {hypothesis} premise: {premise}",
    label_words=("entailment", "neutral", "contradiction"),
    test_split="test",
    citation="Bowman et al. 2015, A large annotated corpus for learning natural language inference",
    origin=Origin("stanfordnlp/snli", "plain_text", license="CC BY-SA 4.0"),
)
SOURCE = Glue(
    SPEC, folder="snli_1.0", codes=SPEC.labels, label="gold_label", json=True,
    renamed={"premise": "sentence1", "hypothesis": "sentence2"},
    files={split: f"snli_1.0_{split}.jsonl" for split in ("train", "dev", "test")},
    hub_names={**HUB_SPLITS, "test": "test"},
)
read_files, read_hub = SOURCE.read_files, SOURCE.read_hub

if __name__ == "__main__":
    main(SPEC)
