"""CoLA, the corpus of linguistic acceptability: is the sentence good English? (GLUE)

    python preprocess/cola.py [--source hub | PATH] [--out DIR]

A row's domain is the publication that the sentence is from. The hub's copy does not say it: there, all rows
are of the domain `all`.
"""

from preprocess.common import main
from preprocess.sources import Glue
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="cola",
    kind="classification",
    text=("sentence",),
    labels=("unacceptable", "acceptable"),
    metrics=("matthews", "accuracy"),
    prompt="cola sentence: {sentence}",
    label_words=("unacceptable", "acceptable"),
    domain="source",
    citation="Warstadt, Singh, Bowman 2019, Neural Network Acceptability Judgments",
    origin=Origin("nyu-mll/glue", "cola"),
)
# the files have no header line; `mark` is the author's own * before a bad sentence
GLUE = Glue(SPEC, folder="CoLA", codes=("0", "1"), domain="source",
            columns=("source", "label", "mark", "sentence"))
read_files, read_hub = GLUE.read_files, GLUE.read_hub

if __name__ == "__main__":
    main(SPEC)
