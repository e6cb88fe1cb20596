"""A table made from the hub is the one made from the official files, for every shipped task but sentiment.

Rows of the shared data are written once as official files, and once as data sets in the public ones' layout and
feature types on a hub on loopback, read by the real client. Each file has a text with odd characters and a row without
a label.
"""

import io
import json

import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from preprocess.common import prepare
from tests.conftest import SHIPPED
from tests.hub import Hub
from tests.hub.store import Repository, parquet_files
from tests.processes import run_script

ROWS = 40  # of each file
ODD = ' "a ""b" \u2028c\x85\xa0\x0bd\r\ufeffe’ '
TEXT, INDEX = Value("string"), Value("int32")
NLI = ("entailment", "neutral", "contradiction")
LANGUAGES = "ar bg de el en es fr hi ru sw th tr ur vi zh".split()
TASKS = sorted({*SHIPPED} - {"sentiment"})
WITHOUT_DOMAINS = {"cola": "source", "stsb": "genre"}  # on the hub
#: GLUE task → folder, text columns and label column of its files, and what they write → the hub's classes, in order
GLUE = {
    "cola": ("CoLA", {"sentence": 3}, 1, {"0": "unacceptable", "1": "acceptable"}),
    "sst2": ("SST-2", {"sentence": 0}, 1, {"0": "negative", "1": "positive"}),
    "mrpc": ("MRPC", {"sentence1": 3, "sentence2": 4}, 0, {"0": "not_equivalent", "1": "equivalent"}),
    "qqp": ("QQP", {"question1": 3, "question2": 4}, 5, {"0": "not_duplicate", "1": "duplicate"}),
    "stsb": ("STS-B", {"sentence1": 7, "sentence2": 8}, 9, {}),
    "qnli": ("QNLI", {"question": 1, "sentence": 2}, 3, {name: name for name in ("entailment", "not_entailment")}),
    "rte": ("RTE", {"sentence1": 1, "sentence2": 2}, 3, {name: name for name in ("entailment", "not_entailment")}),
    "wnli": ("WNLI", {"sentence1": 1, "sentence2": 2}, 3, {"0": "not_entailment", "1": "entailment"}),
    "mnli": ("MNLI", {"premise": 8, "hypothesis": 9}, -1, {name: name for name in NLI}),
}
#: the hub's split → the official file
SPLITS = {"train": "train.tsv", "validation": "dev.tsv"}
MORE_SPLITS = {"mrpc": {**SPLITS, "test": "msr_paraphrase_test.txt"},
               "mnli": {"train": "train.tsv", **{f"validation_{kind}": f"dev_{kind}.tsv"
                                                 for kind in ("matched", "mismatched")}}}


@pytest.fixture(scope="module")
def both(shared_data, tmp_path_factory):
    """Return the folder with the tables `hub/TASK` and `files/TASK`, and what making the hub's said, per task."""
    base = tmp_path_factory.mktemp("both")
    with Hub(base) as hub:
        hub.add_dataset("nyu-mll/glue", {task: glue(task, shared_data, base) for task in GLUE if task != "mnli"})
        hub.add_dataset("nyu-mll/multi_nli", {"default": glue("mnli", shared_data, base)})
        questions, premises = objects(shared_data, base, "BoolQ"), objects(shared_data, base, "COPA", odd=("premise",))
        hub.add_dataset("aps/super_glue", {
            "boolq": superglue(questions, ["False", "True"], "question", "passage"),
            "copa": superglue(premises, ["choice1", "choice2"], "premise", "choice1", "choice2", "question")})
        hub.datasets["allenai/qasc"] = Repository()
        hub.datasets["allenai/qasc"].put(of_2023(parquet_files({"default": qasc(shared_data, base)})))
        hub.add_dataset("facebook/xnli", xnli(shared_data, base))
        code = ("import sys, pathlib; from preprocess.common import *; notes_to_stderr()\n"
                "for task in sys.argv[2:]:\n"
                "    print('TASK', task, file=sys.stderr); prepare(task, 'hub', pathlib.Path(sys.argv[1]))")
        done = run_script("-c", code, base / "hub", *TASKS, **hub.environment())
    assert done.returncode == 0, done.stderr
    said = dict(part.split("\n", 1) for part in done.stderr.split("TASK ")[1:])
    for task in TASKS:
        prepare(task, str(base / "raw"), base / "files")
    return base, said


def lines_of(path, n=ROWS):
    """Return the fields of a file's first lines, by a rule of one line; the byte-order mark goes."""
    return [line.split("\t") for line in path.read_bytes().decode("utf-8-sig").split("\n")[:n] if line]


def write(path, lines):
    """Write lines of text; those of a train file as Windows does: with a byte-order mark and CR LF."""
    windows = "train" in path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\ufeff" * windows + "".join(f"{line}{chr(13) * windows}\n" for line in lines)).encode())


def split_of(rows, **features):
    return Dataset.from_list(rows, Features(features))


def glue(task, data, base):
    """Write a GLUE task's files and return the hub's splits; MNLI's mismatched rows have no labels at all."""
    folder, columns, label, classes = GLUE[task]
    splits = {}
    for name, file in MORE_SPLITS.get(task, SPLITS).items():
        lines = lines_of(data / "glue" / folder / file)
        body = lines[task != "cola":]
        body[0][min(columns.values())] = ODD
        for fields in body if name == "validation_mismatched" else body[1:2]:
            fields[label] = "-"
        write(base / "raw" / "glue" / folder / file, ["\t".join(fields) for fields in lines])
        rows = [{**{text: fields[column] for text, column in columns.items()}, "label": value(fields[label], classes),
                 "idx": place} for place, fields in enumerate(body)]
        features = {**dict.fromkeys(columns, TEXT), "idx": INDEX,
                    "label": ClassLabel(names=list(classes.values())) if classes else Value("float32")}
        if task == "mnli":
            features["genre"] = TEXT
            rows = [{**row, "genre": fields[3]} for row, fields in zip(rows, body)]
        splits[name] = split_of(rows, **features)
    if task not in MORE_SPLITS:
        splits["test"] = split_of([{**row, "label": -1} for row in rows], **features)
    return splits


def value(code, classes):
    return -1 if code == "-" else [*classes].index(code) if classes else float(code)


def objects(data, base, place, label="label", odd=("question",)):
    """Write a task's JSON lines and return the hub's split → objects, of which the second has no label."""
    splits = {}
    for path in sorted(data.glob(f"**/{place}/*.jsonl")):
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:ROWS]]
        records[1][label] = None
        *outer, text = odd
        (records[0][outer[0]] if outer else records[0])[text] = ODD
        write(base / "raw" / place / path.name, [json.dumps(record, ensure_ascii=False) for record in records])
        splits["train" if path.stem == "train" else "validation"] = records
    return splits


def superglue(splits, names, *texts):
    """Return the hub's splits of a SuperGLUE task's objects."""
    features = {**dict.fromkeys(texts, TEXT), "idx": INDEX, "label": ClassLabel(names=names)}
    return {name: split_of([{**{key: row[key] for key in features},
                             "label": -1 if row["label"] is None else int(row["label"])} for row in rows], **features)
            for name, rows in splits.items()}


def qasc(data, base):
    features = {"question": TEXT, "choices": {"text": List(TEXT), "label": List(TEXT)}, "answerKey": TEXT}
    splits = objects(data, base, "qasc", "answerKey", ("question", "stem"))
    return {name: split_of([{
        "question": row["question"]["stem"], "answerKey": row["answerKey"] or "",
        "choices": {key: [choice[key] for choice in row["question"]["choices"]] for key in ("text", "label")}}
        for row in rows], **features) for name, rows in splits.items()}


def of_2023(files):
    """Return a data set's files with the metadata of that year's `datasets`: Sequence for columns of lists."""
    made = {}
    for name, content in files.items():
        if name.endswith(".parquet"):
            table = pq.read_table(io.BytesIO(content))
            old = {column: {"dtype": "string", "_type": "Value"} for column in table.column_names}
            old["choices"] = {"feature": {key: old["question"] for key in ("text", "label")}, "_type": "Sequence"}
            pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": old}})}),
                           file := io.BytesIO())
            made[name] = file.getvalue()
        else:
            text = content.decode()
            made[name] = text.replace("struct:", "sequence:").replace("list: string", "dtype: string").encode()
            assert made[name].count(b"sequence:") == 1 and b"list:" not in made[name]
    return made


def xnli(data, base):
    """Write XNLI's files, dev rows as translated train rows too, and return the hub's configurations."""
    splits = {language: {} for language in LANGUAGES}
    for split, name in (("dev", "validation"), ("test", "test")):
        header, *lines = lines_of(data / "xnli" / f"xnli.{split}.tsv", None)
        kept = [fields for language in LANGUAGES for fields in [line for line in lines if line[0] == language][:8]]
        kept[1][1], kept[0][6] = "-", ODD
        write(base / "raw" / "xnli" / f"xnli.{split}.tsv", ["\t".join(fields) for fields in (header, *kept)])
        for language in LANGUAGES:
            splits[language][name] = [(*fields[6:8], fields[1]) for fields in kept if fields[0] == language]
    for language, rows in splits.items():
        rows["train"] = rows["validation"][::-1][:5]
        third = ("contradictory", "contradiction")[LANGUAGES.index(language) % 2]
        write(base / "raw" / "xnli" / "multinli" / f"multinli.train.{language}.tsv",
              ["premise\thypo\tlabel", *(f"{premise}\t{hypothesis}\t{label.replace('contradiction', third)}"
                                         for premise, hypothesis, label in rows["train"])])
    features = {"premise": TEXT, "hypothesis": TEXT, "label": ClassLabel(names=list(NLI))}
    classes = {name: name for name in NLI}
    return {language: {name: split_of([{"premise": premise, "hypothesis": hypothesis, "label": value(label, classes)}
                                       for premise, hypothesis, label in rows], **features)
                       for name, rows in named.items()} for language, named in splits.items()}


@pytest.mark.parametrize("task", TASKS)
def test_the_hubs_table_is_that_of_the_official_files(both, task):
    hub, files = (prepare(task, None, both[0] / kind) for kind in ("hub", "files"))
    assert hub.splits == files.splits and hub.spec.test_split in hub.splits and hub.train_split == "train"
    for name in hub.splits:
        rows, expected = (table.split(name) for table in (hub, files))
        if task in WITHOUT_DOMAINS:
            assert set(rows["domain"].to_pylist()) == {"all"} != set(expected["domain"].to_pylist())
            rows, expected = (table.drop_columns("domain") for table in (rows, expected))
        assert rows.equals(expected) and rows.num_rows > 30
        assert hub.card["splits"][name]["unlabelled"] == files.card["splits"][name]["unlabelled"]
    assert (hub.fingerprint == files.fingerprint) == (task not in WITHOUT_DOMAINS)
    assert ODD in rows[hub.spec.text[0]][0].as_py()


@pytest.mark.parametrize("task", TASKS)
def test_what_is_left_out_and_what_the_hub_lacks_is_said(both, task):
    said, table = both[1][task], prepare(task, None, both[0] / "hub")
    for name, split in table.card["splits"].items():
        expected = 0 if (task, name) == ("xnli", "train") else 1
        assert split["unlabelled"] == expected
        assert said.count(f"rows of {name} that have no label and are left out: 1") == expected
    assert ("left out the split dev_mismatched: none of its 39 rows has a label" in said) == (task == "mnli")
    lacking = f"does not say its rows' {WITHOUT_DOMAINS.get(task)}, as one made from the official files does"
    assert (lacking in said) == ("does not say" in said) == (task in WITHOUT_DOMAINS)


def test_xnlis_splits_are_three(both):
    """Each read its own rows: a generator that reads a loop's name late would read the last split three times."""
    table = prepare("xnli", None, both[0] / "hub")
    assert [(name, table.rows(name)) for name in table.splits] == [("train", 75), ("dev", 119), ("test", 119)]
    train, dev, test = ({(row["domain"], row["hypothesis"]) for row in table.split(name).to_pylist()}
                        for name in table.splits)
    assert train < dev and not dev & test
