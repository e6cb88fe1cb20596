"""A task's official files, spoilt."""

from collections.abc import Callable

from tests.bad_input import Case, Place
from tests.fuzz_readers import SOURCES

HEADER = "index\tsentence1\tsentence2\tlabel\n"
GOOD = f"{HEADER}0\tA man.\tB.\tentailment\n1\tC.\tD.\tnot_entailment\n"


def source(task: str, **files: str | bytes | None) -> Callable[[Place], None]:
    """Write a task's official files, some of them spoilt (`train_tsv=…`; None: left out)."""
    def make(place: Place) -> None:
        (place.base / "raw").mkdir()
        contents = SOURCES[task] | {name.replace("_", ".", 1): content for name, content in files.items()}
        for name, content in contents.items():
            if content is not None:
                (place.base / "raw" / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return make


SPOILT = [
    Case(id, source(task, **{key: content}), f"--data {task} --source {{base}}/raw", tuple(said))
    for id, task, key, content, *said in (
        ("TSV missing", "rte", "dev_tsv", None, "raw/dev.tsv: No such file", "expected one of the official files"),
        ("TSV empty", "rte", "train_tsv", "", "raw/train.tsv:1: column 'sentence1' is not in the header"),
        ("TSV header only", "rte", "train_tsv", HEADER, "raw/train.tsv:1: no rows; expected at least one"),
        ("TSV truncated", "rte", "train_tsv", GOOD[:-17],
         "raw/train.tsv:3: expected 4 columns parted by tabs, found 3"),
        ("TSV not UTF-8", "rte", "dev_tsv", GOOD.encode("utf-16"), "raw/dev.tsv:1: ", "expected UTF-8 text"),
        ("TSV Latin-1", "rte", "dev_tsv", GOOD.replace("man", "mañ").encode("latin-1"), "raw/dev.tsv:2: byte 7 is not"),
        ("TSV wrong column", "rte", "train_tsv", GOOD.replace("label", "answer"),
         "raw/train.tsv:1: column 'label' is not"),
        ("TSV wrong label", "rte", "train_tsv", GOOD.replace("not_", "un"),
         "raw/train.tsv:3: label 'unentailment' is none"),
        ("TSV endless label", "rte", "train_tsv", GOOD.replace("not_", "x" * 99999), "raw/train.tsv:3: label 'xxx"),
        ("TSV header twice", "rte", "train_tsv", GOOD.replace("index", "label"),
         "raw/train.tsv:1: column 'label' is twice"),
        ("TSV with a NUL", "rte", "train_tsv", GOOD.replace("C.", "\0"),
         "raw/train.tsv:3: holds a NUL byte; expected UTF-8"),
        ("TSV score", "stsb", "train_tsv", SOURCES["stsb"]["train.tsv"].replace("5.000", "nan"),
         "raw/train.tsv:2: score 'nan' is no number from 0 to 5"),
        ("TSV domain as a path", "mnli", "train_tsv", SOURCES["mnli"]["train.tsv"].replace("fiction", "../../x"),
         "raw/train.tsv:3: '../../x' cannot be part of a file name; expected"),
        ("JSONL missing", "boolq", "val_jsonl", None, "raw/val.jsonl: No such file",
         "expected one of the official files"),
        ("JSONL empty", "boolq", "train_jsonl", "", "raw/train.jsonl:1: no rows; expected at least one"),
        ("JSONL truncated", "boolq", "train_jsonl", SOURCES["boolq"]["train.jsonl"][:-9],
         "raw/train.jsonl:1: not valid JSON",
         "expected one object a line"),
        ("JSONL not UTF-8", "boolq", "train_jsonl", b'{"question": "\xff"}', "raw/train.jsonl:1: byte 15 is not UTF-8"),
        ("JSONL half a surrogate", "boolq", "train_jsonl", SOURCES["boolq"]["train.jsonl"].replace("is it", r"\ud800"),
         "raw/train.jsonl:1: a string holds half a surrogate pair; expected UTF-8"),
        ("JSONL wrong key", "boolq", "train_jsonl", '{"query": "q"}',
         "raw/train.jsonl:1: key 'question' is missing; expected"),
        ("JSONL wrong label", "boolq", "train_jsonl", SOURCES["boolq"]["train.jsonl"].replace("true", "1"),
         "raw/train.jsonl:1: key 'label' has 1; expected a bool"),
        ("JSONL key twice", "boolq", "train_jsonl", SOURCES["boolq"]["train.jsonl"].replace("passage", "question"),
         "raw/train.jsonl:1: not valid JSON (key 'question' stands twice)"),
        ("JSONL with a NUL", "boolq", "val_jsonl", "{\0}", "raw/val.jsonl:1: holds a NUL byte; expected UTF-8 text"),
        ("JSONL seven choices", "qasc", "train_jsonl", SOURCES["qasc"]["train.jsonl"].replace('"H"', '"I"'),
         "raw/train.jsonl:1: the choices are not eight texts labelled A to H"),
    )
]
