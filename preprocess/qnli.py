"""QNLI, SQuAD as inference: does the sentence answer the question? (GLUE)

    python preprocess/qnli.py [--source hub | PATH] [--out DIR]
"""

from preprocess.common import main
from preprocess.sources import Glue
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="qnli",
    kind="classification",
    text=("question", "sentence"),
    labels=("entailment", "not_entailment"),
    metrics=("accuracy",),
    prompt="qnli question: {question} sentence: {sentence}",
    label_words=("entailment", "not_entailment"),
    citation="Rajpurkar et al. 2016, SQuAD; Wang et al. 2019, GLUE",
    origin=Origin("nyu-mll/glue", "qnli", license="CC BY-SA 4.0"),
)
GLUE = Glue(SPEC, folder="QNLI", codes=("entailment", "not_entailment"))
read_files, read_hub = GLUE.read_files, GLUE.read_hub

if __name__ == "__main__":
    main(SPEC)
