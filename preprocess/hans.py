"""HANS, heuristic analysis for NLI systems: entailment where overlapping words mislead.

    python preprocess/hans.py [--source hub | PATH] [--out DIR]

A row's domain is the heuristic that it tempts to: lexical_overlap, subsequence or constituent. The official files are
`heuristics_train_set.txt` and `heuristics_evaluation_set.txt`, which is the dev split. What they call `non-entailment`
is `not_entailment` here, as in RTE.
"""

from preprocess.common import main
from preprocess.sources import Glue
from utils.data.task import CONVERTED, Origin, TaskSpec

SPEC = TaskSpec(
    name="hans",
    kind="classification",
    text=("premise", "hypothesis"),
    labels=("entailment", "not_entailment"),
    metrics=("accuracy",),
    prompt="hans hypothesis: {hypothesis} premise: {premise}",
    label_words=("entailment", "not_entailment"),
    domain="heuristic",
    natural_by_default=True,
    citation="McCoy, Pavlick, Linzen 2019, Right for the Wrong Reasons",
    origin=Origin("jhu-cogsci/hans", "plain_text", license="MIT", revision=CONVERTED),
)
SOURCE = Glue(
    SPEC, folder="hans", codes=("entailment", "non-entailment"), label="gold_label", domain="heuristic",
    renamed={"premise": "sentence1", "hypothesis": "sentence2"},
    files={"train": "heuristics_train_set.txt", "dev": "heuristics_evaluation_set.txt"},
)
read_files, read_hub = SOURCE.read_files, SOURCE.read_hub

if __name__ == "__main__":
    main(SPEC)
