"""MultiNLI: does the premise entail, contradict or leave open the hypothesis? Five genres. (GLUE)

    python preprocess/mnli.py [--source hub | PATH] [--out DIR]

A row's domain is its genre: fiction, government, slate, telephone or travel in train and dev_matched, five
others in dev_mismatched. `dev_matched_text.tsv` (genre, sentence1, sentence2, gold_label), where it is there,
is a split too. The hub's GLUE copy has no genres, so the rows are had from the MultiNLI repository.
"""

from preprocess.common import main
from preprocess.sources import Glue
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="mnli",
    kind="classification",
    text=("premise", "hypothesis"),
    labels=("entailment", "neutral", "contradiction"),
    metrics=("accuracy",),
    prompt="mnli hypothesis: {hypothesis} premise: {premise}",
    label_words=("entailment", "neutral", "contradiction"),
    test_split="dev_matched",
    domain="genre",
    natural_by_default=True,
    citation="Williams, Nangia, Bowman 2018, A Broad-Coverage Challenge Corpus",
    origin=Origin("nyu-mll/multi_nli", "default",
                  license="mostly the OANC licence; fiction partly CC BY 3.0, CC BY-SA 3.0 or public domain"),
)
GLUE = Glue(
    SPEC, folder="MNLI", codes=SPEC.labels, label="gold_label", domain="genre",
    renamed={"premise": "sentence1", "hypothesis": "sentence2"},
    files={"train": "train.tsv", **{name: f"{name}.tsv" for name in
                                    ("dev_matched", "dev_mismatched", "dev_matched_text")}},
    hub_names={"train": "train", "validation_matched": "dev_matched", "validation_mismatched": "dev_mismatched"},
)
read_files, read_hub = GLUE.read_files, GLUE.read_hub

if __name__ == "__main__":
    main(SPEC)
