"""QQP, Quora question pairs: do the two questions ask the same? (GLUE)

    python preprocess/qqp.py [--source hub | PATH] [--out DIR]

The official files are quoted, and the hub's copy and published results are of the fields as they stand: a question
with a quote in it is in quotes, and those inside are doubled. A few lines of the train file are torn by line feeds
inside a question; they are left out, as in the hub's copy.
"""

from preprocess.common import main
from preprocess.sources import Glue
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="qqp",
    kind="classification",
    text=("question1", "question2"),
    labels=("not_duplicate", "duplicate"),
    metrics=("f1", "accuracy"),
    prompt="qqp question1: {question1} question2: {question2}",
    label_words=("not_duplicate", "duplicate"),
    citation="Iyer, Dandekar, Csernai 2017, Quora Question Pairs",
    origin=Origin("nyu-mll/glue", "qqp", license="Quora's terms, non-commercial use"),
    symmetric=True,
)
GLUE = Glue(SPEC, folder="QQP", codes=("0", "1"), label="is_duplicate", quotes="kept")
read_files, read_hub = GLUE.read_files, GLUE.read_hub

if __name__ == "__main__":
    main(SPEC)
