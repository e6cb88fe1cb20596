"""Tasks whose official files are not at hand: a table of small files in the official formats is that of the hub's rows.

The formats are those of the distributions, the hub's columns and classes those of its public copies: Parquet files that
a card lists, or, for data sets that have a program instead, the hub's own conversion, which has no card.
"""

import csv
import io
import json
import shutil

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from preprocess.common import load, prepare
from tests.hub import Hub
from tests.hub.store import Repository
from tests.processes import run_script
from utils.data.task import CONVERTED
from utils.errors import UserError

ODD = ' "a ""b" \u2028c\x85\xa0\x0bd\r\ufeffe’'
TEXT, FLOAT = Value("string"), Value("float32")
NLI = ("entailment", "neutral", "contradiction")
#: what every task's files hold: (first text, second text, label's place) of each split
PAIRS = {"train": ((ODD, "B.", 0), ("C é", "“D”", 1), ("It's", 'say "so"', 1)),
         "dev": (("E", "F", 1), ("G", "H", 0)), "test": (("I", "J", 0), ("K", "L", 1), ("M", "N", 0))}
TASKS = "anli hans imdb paws scitail sick snli yelp".split()
HUB_SPLIT = {"train": "train", "dev": "validation", "test": "test"}


def rows_of(split, *names):
    """Return a split's rows as the hub has them, under these names."""
    return [dict(zip(names, row, strict=True)) for row in PAIRS[split]]


def classes(*names):
    return ClassLabel(names=list(names))


def jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def tsv(header, rows, **options):
    """Return lines as csv writes them, or unquoted without `options`."""
    if not options:
        return "".join("\t".join(map(str, fields)) + "\n" for fields in (header, *rows))
    csv.writer(text := io.StringIO(), delimiter="\t", lineterminator="\n", **options).writerows([header, *rows])
    return text.getvalue()


def hans():
    parses = ("sentence1_binary_parse", "sentence2_binary_parse", "sentence1_parse", "sentence2_parse")
    header = ("gold_label", *parses, "sentence1", "sentence2", "pairID", "heuristic", "subcase", "template")
    names, kinds = ("entailment", "non-entailment"), ("lexical_overlap", "subsequence", "constituent")
    lines = {split: [(names[label], *"pppp", a, b, f"ex{k}", kinds[k], "sub", "temp")
                     for k, (a, b, label) in enumerate(pairs)] for split, pairs in PAIRS.items()}
    files = {"heuristics_train_set.txt": tsv(header, lines["train"]),
             "heuristics_evaluation_set.txt": tsv(header, lines["dev"])}
    splits = {split: [{**row, "parse_premise": "p", "heuristic": kind} for row, kind in
                      zip(rows_of(split, "premise", "hypothesis", "label"), kinds)] for split in ("train", "dev")}
    return files, splits, {"premise": TEXT, "hypothesis": TEXT, "label": classes(*names), "parse_premise": TEXT,
                           "heuristic": TEXT}


def scitail():
    rows = {split: [{"sentence1": a, "sentence2": b, "gold_label": ("entailment", "neutral")[label]}
                    for a, b, label in pairs] for split, pairs in PAIRS.items()}
    files = {f"SciTailV1.1/snli_format/scitail_1.0_{split}.txt": jsonl(
        {"sentence1_parse": "(ROOT)", **row, "annotator_labels": ["neutral"]} for row in some)
        for split, some in rows.items()}
    return files, rows, {"sentence1": TEXT, "sentence2": TEXT, "gold_label": TEXT}


def paws():
    header = ("id", "sentence1", "sentence2", "label")
    files = {f"final/{split}.tsv": tsv(header, [(k, *row) for k, row in enumerate(pairs)], quoting=csv.QUOTE_MINIMAL)
             for split, pairs in PAIRS.items()}
    splits = {split: [{"id": k, **row} for k, row in enumerate(rows_of(split, *header[1:]))] for split in PAIRS}
    return files, splits, {"id": Value("int32"), "sentence1": TEXT, "sentence2": TEXT, "label": classes("0", "1")}


def imdb():
    files = {f"aclImdb/{split}/{('neg', 'pos')[label]}/{k}_{1 + 8 * label}.txt": a
             for split in ("train", "test") for k, (a, _, label) in enumerate(PAIRS[split])}
    splits = {split: sorted(({"text": a, "label": label} for a, _, label in PAIRS[split]), key=lambda row: row["label"])
              for split in ("train", "test")}
    splits["unsupervised"] = [{"text": "U", "label": -1}]
    return {**files, "aclImdb/train/unsup/0_0.txt": "U"}, splits, {"text": TEXT, "label": classes("neg", "pos")}


def yelp():
    texts = {split: [(a.replace('"', '\\""').strip(), label) for a, _, label in PAIRS[split]]
             for split in ("train", "test")}
    files = {f"yelp_review_polarity_csv/{split}.csv": "".join(f'"{label + 1}","{text} "\n' for text, label in rows)
             for split, rows in texts.items()}
    splits = {split: [{"text": text, "label": label} for text, label in rows] for split, rows in texts.items()}
    return files, splits, {"text": TEXT, "label": classes("1", "2")}


def sick():
    header = ("pair_ID", "sentence_A", "sentence_B", "entailment_label", "relatedness_score", "sentence_A_dataset",
              "SemEval_set")
    sets, sources = {"dev": "TRIAL", "test": "TEST", "train": "TRAIN"}, ("FLICKR", "SEMEVAL")
    rows = {split: [{"sentence_A": a, "sentence_B": b, "label": 1, "relatedness_score": 3.785 - label,
                     "sentence_A_dataset": sources[label]} for a, b, label in PAIRS[split]] for split in sets}
    lines = [(k, row["sentence_A"], row["sentence_B"], "NEUTRAL", row["relatedness_score"], row["sentence_A_dataset"],
              sets[split]) for split in sets for k, row in enumerate(rows[split])]
    return {"SICK.txt": tsv(header, lines)}, rows, {
        "sentence_A": TEXT, "sentence_B": TEXT, "label": classes(*NLI), "relatedness_score": FLOAT,
        "sentence_A_dataset": TEXT}


def snli():
    rows = {split: [*rows_of(split, "premise", "hypothesis", "label"),
                    {"premise": "X", "hypothesis": "Y", "label": -1}] for split in PAIRS}
    files = {f"snli_1.0/snli_1.0_{split}.jsonl": jsonl(
        {"annotator_labels": ["neutral"], "captionID": "1.jpg#0", "gold_label": (*NLI, "-")[row["label"]],
         "sentence1": row["premise"], "sentence2": row["hypothesis"]} for row in some) for split, some in rows.items()}
    return files, rows, {"premise": TEXT, "hypothesis": TEXT, "label": classes(*NLI)}


def anli():
    files = {f"anli_v1.0/R{n}/{split}.jsonl": jsonl({"context": f"{a}{n}", "hypothesis": b, "label": "enc"[label]}
                                                    for a, b, label in pairs)
             for n in (1, 2, 3) for split, pairs in PAIRS.items()}
    splits = {f"{split}_r{n}": [{"uid": "u", "premise": f"{a}{n}", "hypothesis": b, "label": label}
                                for a, b, label in pairs] for n in (1, 2, 3) for split, pairs in PAIRS.items()}
    return files, splits, {"uid": TEXT, "premise": TEXT, "hypothesis": TEXT, "label": classes(*NLI)}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Return the folder with the official files of each task, and the tables `hub/TASK` and `files/TASK`."""
    base = tmp_path_factory.mktemp("both")
    with Hub(base) as hub:
        for task in TASKS:
            files, splits, features = globals()[task]()
            for name, content in files.items():
                (base / "raw" / task / name).parent.mkdir(parents=True, exist_ok=True)
                (base / "raw" / task / name).write_bytes(content.encode())
            origin = load(task).SPEC.origin
            data = {HUB_SPLIT.get(split, split): Dataset.from_list(rows, Features(features))
                    for split, rows in splits.items()}
            if origin.revision:
                hub.datasets[origin.repo] = Repository()
                hub.datasets[origin.repo].put({"README.md": b"---\n---\n", f"{task}.py": b"raise SystemExit"})
                hub.datasets[origin.repo].put(converted(origin.config, data), CONVERTED)
            else:
                hub.add_dataset(origin.repo, {origin.config: data})
        code = ("import sys, pathlib; from preprocess.common import *; notes_to_stderr()\n"
                "for task in sys.argv[2:]: prepare(task, 'hub', pathlib.Path(sys.argv[1]))")
        done = run_script("-c", code, base / "hub", *TASKS, **hub.environment())
    assert done.returncode == 0, done.stderr
    for task in TASKS:
        prepare(task, str(base / "raw" / task), base / "files")
    return base


def converted(config, data):
    """Return the files of the hub's own conversion."""
    files = {}
    for split, rows in data.items():
        rows.to_parquet(file := io.BytesIO())
        files[f"{config}/{split}/0000.parquet"] = file.getvalue()
    return files


@pytest.mark.parametrize("task", TASKS)
def test_the_hubs_table_is_that_of_the_official_files(both, task):
    hub, files = (prepare(task, None, both / kind) for kind in ("hub", "files"))
    assert hub.fingerprint == files.fingerprint and hub.spec.test_split in hub.splits and hub.train_split == "train"
    unlabelled = {split["unlabelled"] for split in hub.card["splits"].values()}
    assert unlabelled == {split["unlabelled"] for split in files.card["splits"].values()} == {int(task == "snli")}
    assert hub.spec.citation and len(hub.splits) == {"hans": 2, "imdb": 2, "yelp": 2}.get(task, 3)


@pytest.mark.parametrize("task", TASKS)
def test_rows_are_as_they_were_written(both, task):
    """Compare with what the files were made of, by the rule of each format that is not the common one."""
    table = prepare(task, None, both / "files")
    in_order = sorted if task == "imdb" else list
    for split in table.splits:
        expected = [(a, b, 3.785 - label if task == "sick" else label) for a, b, label in PAIRS[split]]
        if task == "anli":
            expected = [(f"{a}{n}", b, label) for n in (1, 2, 3) for a, b, label in expected]
        if task == "yelp":
            expected = [(a.replace('"', '\\""').strip(), b, label) for a, b, label in expected]
        if len(table.spec.text) == 1:
            expected = [(a, label) for a, _, label in expected]
        found = [tuple(row[name] for name in (*table.spec.text, "label")) for row in table.split(split).to_pylist()]
        assert in_order(found) == in_order(expected)


@pytest.mark.parametrize(("task", "split", "domains"), [
    ("anli", "train", {"R1": 3, "R2": 3, "R3": 3}), ("sick", "test", {"FLICKR": 2, "SEMEVAL": 1}),
    ("hans", "dev", {"lexical_overlap": 1, "subsequence": 1}), ("paws", "test", {"all": 3})])
def test_natural_domains(both, task, split, domains):
    assert prepare(task, None, both / "files").card["splits"][split]["domains"] == domains


@pytest.mark.parametrize(("task", "file", "content", "message"), [
    ("anli", "anli_v1.0/R3/dev.jsonl", '{"context": "a", "hypothesis": "b", "label": "x"}',
     "1: label 'x' is none of e, n, c"),
    ("hans", "heuristics_train_set.txt", "gold_label\tsentence1\tsentence2\theuristic\nyes\ta\tb\tc\n",
     "2: label 'yes' is none of entailment, non-entailment"),
    ("imdb", "aclImdb/test/pos/1_9.txt", b"\xff", "1: byte 1 is not UTF-8"),
    ("paws", "final/dev.tsv", 'id\tsentence1\tsentence2\tlabel\n1\t"a ""b"""\tc\t2\n', "2: label '2' is none of 0, 1"),
    ("scitail", "SciTailV1.1/snli_format/scitail_1.0_test.txt", '{"sentence1": "a", "gold_label": "neutral"}',
     "1: key 'sentence2' is missing; expected a str"),
    ("sick", "SICK.txt", "sentence_A\tsentence_B\trelatedness_score\tsentence_A_dataset\tSemEval_set\n"
     "a\tb\t4\tFLICKR\tDEV\n", "2: label 'DEV' is none of TRAIN, TRIAL, TEST"),
    ("sick", "SICK.txt", "sentence_A\tsentence_B\trelatedness_score\tsentence_A_dataset\tSemEval_set\n"
     "a\tb\t0.5\tFLICKR\tTRAIN\n", "2: score '0.5' is no number from 1 to 5"),
    ("snli", "snli_1.0/snli_1.0_train.jsonl", '{"sentence1": "a"', "1: not valid JSON"),
    ("yelp", "yelp_review_polarity_csv/train.csv", '"1","good"\n"3","bad"\n', """2: '"3","bad"' is no "1","text" """),
])
def test_a_malformed_line_is_named(both, task, file, content, message, tmp_path):
    path = both / "raw" / task / file
    whole = path.read_bytes()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        with pytest.raises(UserError) as raised:
            prepare(task, str(both / "raw" / task), tmp_path)
    finally:
        path.write_bytes(whole)
    assert str(raised.value).startswith(f"{path}:") and message in str(raised.value)


@pytest.mark.parametrize(("task", "message"), [
    ("anli", "R1/train.jsonl is neither there nor in its anli_v1.0 or anli"),
    ("imdb", "train/neg is neither there nor in its aclImdb"),
    ("scitail", "nor in its SciTailV1.1/snli_format or .* or snli_format"), ("yelp", "train.csv is neither there")])
def test_a_folder_without_the_files_is_named(tmp_path, task, message):
    with pytest.raises(UserError, match=message):
        prepare(task, str(tmp_path), tmp_path / "data")


def test_parts_of_a_task_that_are_missing_are_named(both, tmp_path, caplog):
    caplog.set_level("INFO", logger="lm")
    shutil.copytree(both / "raw" / "anli", tmp_path / "anli")
    shutil.rmtree(tmp_path / "anli" / "anli_v1.0" / "R2")
    with pytest.raises(UserError, match="anli_v1.0/R2 is missing: expected the rounds R1, R2, R3$"):
        prepare("anli", str(tmp_path / "anli"), tmp_path / "data")
    lines = (both / "raw" / "sick" / "SICK.txt").read_bytes().split(b"\n")
    (tmp_path / "SICK.txt").write_bytes(b"\n".join(line for line in lines if not line.endswith(b"TRIAL")))
    prepare("sick", str(tmp_path), tmp_path / "data")
    assert "left out the split dev: there are no rows of it" in caplog.text
