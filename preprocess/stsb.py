"""STS-B, the semantic textual similarity benchmark: how alike are the sentences, from 0 to 5? (GLUE)

    python preprocess/stsb.py [--source hub | PATH] [--out DIR]

A row's domain is the genre it is from. The hub's copy does not say it: there, all rows are of the domain `all`.
A text-to-text model says the score to the nearest 0.2, as T5 does.
"""

from preprocess.common import main
from preprocess.sources import Glue
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="stsb",
    kind="regression",
    text=("sentence1", "sentence2"),
    labels=(),
    metrics=("pearson", "spearman"),
    prompt="stsb sentence1: {sentence1} sentence2: {sentence2}",
    label_words=tuple(f"{fifth / 5:.1f}" for fifth in range(26)),
    domain="genre",
    citation="Cer et al. 2017, SemEval-2017 Task 1",
    origin=Origin("nyu-mll/glue", "stsb",
                  license="the scores CC BY-SA 4.0, the texts under the terms of their sources"),
    scale=(0, 5),
    symmetric=True,
)
# the official train file writes main-forum, dev main-forums
GLUE = Glue(SPEC, folder="STS-B", label="score", domain="genre", same_domain={"main-forum": "main-forums"})
read_files, read_hub = GLUE.read_files, GLUE.read_hub

if __name__ == "__main__":
    main(SPEC)
