"""BoolQ: is the answer to the question yes, by the passage? (SuperGLUE)

    python preprocess/boolq.py [--source hub | PATH] [--out DIR]
"""

from preprocess.common import main
from preprocess.sources import JsonLines
from utils.data.readers import Row
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="boolq",
    kind="classification",
    text=("question", "passage"),
    labels=("False", "True"),
    metrics=("accuracy",),
    prompt="boolq question: {question} passage: {passage}",
    label_words=("False", "True"),
    citation="Clark et al. 2019, BoolQ",
    origin=Origin("aps/super_glue", "boolq", license="CC BY-SA 3.0"),
)


def table_row(record: Row) -> Row:
    """Return the table's row of a file's object or a hub row."""
    return {"question": record["question"], "passage": record["passage"], "label": int(record["label"]),
            "domain": "all"}


SOURCE = JsonLines(SPEC, places=("BoolQ", "super_glue/BoolQ"), file_row=table_row, hub_row=table_row,
                   keys={"question": str, "passage": str, "label": bool})
read_files, read_hub = SOURCE.read_files, SOURCE.read_hub

if __name__ == "__main__":
    main(SPEC)
