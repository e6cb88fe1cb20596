"""QASC, question answering by composing two facts: which of eight choices answers the question?

    python preprocess/qasc.py [--source hub | PATH] [--out DIR]

Only the question and the choices are given to a model, not the facts.
"""

from preprocess.common import main
from preprocess.sources import JsonLines
from utils.data.readers import Row, class_index
from utils.data.task import Origin, TaskSpec

SPEC = TaskSpec(
    name="qasc",
    kind="multiple_choice",
    text=("question",),
    labels=tuple("ABCDEFGH"),
    metrics=("accuracy",),
    prompt="qasc question: {question} {choices}",
    label_words=tuple("ABCDEFGH"),
    citation="Khot et al. 2020, QASC: A Dataset for Question Answering via Sentence Composition",
    origin=Origin("allenai/qasc", "default", license="CC BY 4.0"),
)


def file_row(record: Row) -> Row:
    """Return the table's row of a file's object; raises ValueError unless it has eight choices, A to H."""
    stem, choices = record["question"].get("stem"), record["question"].get("choices")
    if type(stem) is not str or type(choices) is not list or not all(type(c) is dict for c in choices):
        raise ValueError("question is not {stem: text, choices: [{text, label}, …]}")
    columns = {name: [choice.get(name) for choice in choices] for name in ("text", "label")}
    return hub_row({"question": stem, "choices": columns,
                    "answerKey": class_index(SPEC.labels, record["answerKey"])})


def hub_row(record: Row) -> Row:
    """Return the table's row of a hub row, whose choices are {text: [eight], label: [A … H]}; raises ValueError."""
    texts, letters = record["choices"]["text"], record["choices"]["label"]
    if letters != list(SPEC.labels) or not all(type(text) is str for text in texts):
        raise ValueError("the choices are not eight texts labelled A to H in order")
    return {"question": record["question"], "choices": texts, "label": record["answerKey"], "domain": "all"}


SOURCE = JsonLines(
    SPEC, places=("qasc", "QASC_Dataset"), dev="dev.jsonl", keys={"question": dict, "answerKey": str},
    file_row=file_row, hub_row=hub_row, label="answerKey",
)
read_files, read_hub = SOURCE.read_files, SOURCE.read_hub

if __name__ == "__main__":
    main(SPEC)
