"""SST-2, the Stanford sentiment treebank: is the phrase from a film review positive? (GLUE)

    python preprocess/sst2.py [--source hub | PATH] [--out DIR]

The sentences are kept as the official files have them, with a blank at the end.
"""

from preprocess.common import main
from preprocess.sources import Glue
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="sst2",
    kind="classification",
    text=("sentence",),
    labels=("negative", "positive"),
    metrics=("accuracy",),
    prompt="sst2 sentence: {sentence}",
    label_words=("negative", "positive"),
    citation="Socher et al. 2013, Recursive Deep Models for Semantic Compositionality",
    origin=Origin("nyu-mll/glue", "sst2"),
)
GLUE = Glue(SPEC, folder="SST-2", codes=("0", "1"))
read_files, read_hub = GLUE.read_files, GLUE.read_hub

if __name__ == "__main__":
    main(SPEC)
