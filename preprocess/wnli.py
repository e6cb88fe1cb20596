"""WNLI, Winograd schemas as inference: is the pronoun resolved rightly in the second sentence? (GLUE)

    python preprocess/wnli.py [--source hub | PATH] [--out DIR]

Its dev rows are adversarial to its train rows: learning the latter ends below the majority class.
"""

from preprocess.common import main
from preprocess.sources import Glue
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="wnli",
    kind="classification",
    text=("sentence1", "sentence2"),
    labels=("not_entailment", "entailment"),
    metrics=("accuracy",),
    prompt="wnli sentence1: {sentence1} sentence2: {sentence2}",
    label_words=("not_entailment", "entailment"),
    citation="Levesque, Davis, Morgenstern 2012, The Winograd Schema Challenge",
    origin=Origin("nyu-mll/glue", "wnli", license="CC BY 4.0"),
)
GLUE = Glue(SPEC, folder="WNLI", codes=("0", "1"))
read_files, read_hub = GLUE.read_files, GLUE.read_hub

if __name__ == "__main__":
    main(SPEC)
