"""COPA, choice of plausible alternatives: which of two sentences is the cause, or the effect? (SuperGLUE)

    python preprocess/copa.py [--source hub | PATH] [--out DIR]

The column `question` is the premise with its question after it, so that it makes sense beside one choice.
"""

from preprocess.common import main
from preprocess.sources import JsonLines
from utils.data.readers import Row
from utils.data.task import Origin, TaskSpec
from utils.errors import quoted

QUESTIONS = {"cause": "What was the cause of this?", "effect": "What happened as a result?"}
SPEC = TaskSpec(
    name="copa",
    kind="multiple_choice",
    text=("question",),
    labels=("choice1", "choice2"),
    metrics=("accuracy",),
    prompt="copa {choices} question: {question}",
    label_words=("A", "B"),
    citation="Roemmele, Bejan, Gordon 2011, Choice of Plausible Alternatives",
    origin=Origin("aps/super_glue", "copa", license="BSD 2-Clause"),
)


def table_row(record: Row) -> Row:
    """Return the table's row of a file's object or a hub row; raises ValueError for other values."""
    if record["question"] not in QUESTIONS:
        raise ValueError(f"question {quoted(record['question'])} is none of {', '.join(QUESTIONS)}")
    if record["label"] not in (0, 1):
        raise ValueError(f"label {quoted(record['label'])} is none of 0, 1")
    return {"question": f"{record['premise']} {QUESTIONS[record['question']]}",
            "choices": [record["choice1"], record["choice2"]], "label": record["label"], "domain": "all"}


SOURCE = JsonLines(
    SPEC, places=("COPA", "super_glue/COPA"), file_row=table_row, hub_row=table_row,
    keys={"premise": str, "choice1": str, "choice2": str, "question": str, "label": int},
)
read_files, read_hub = SOURCE.read_files, SOURCE.read_hub

if __name__ == "__main__":
    main(SPEC)
