"""RTE, recognising textual entailment: does the first sentence imply the second? (GLUE)

    python preprocess/rte.py [--source hub | PATH] [--out DIR]
"""

from preprocess.common import main
from preprocess.sources import Glue
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="rte",
    kind="classification",
    text=("sentence1", "sentence2"),
    labels=("entailment", "not_entailment"),
    metrics=("accuracy",),
    prompt="rte sentence1: {sentence1} sentence2: {sentence2}",
    label_words=("entailment", "not_entailment"),
    citation="Dagan et al. 2006; Bar-Haim et al. 2006; Giampiccolo et al. 2007; Bentivogli et al. 2009",
    origin=Origin("nyu-mll/glue", "rte"),
)
GLUE = Glue(SPEC, folder="RTE", codes=("entailment", "not_entailment"))
read_files, read_hub = GLUE.read_files, GLUE.read_hub

if __name__ == "__main__":
    main(SPEC)
