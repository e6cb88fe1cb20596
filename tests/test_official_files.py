"""Every official file parses, with every row kept: the numbers are those of the shared data's README."""

import collections
import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest

from preprocess.common import load, prepare
from tests.conftest import SHIPPED
from utils.config import RunConfig
from utils.data.dataset import TaskData
from utils.data.evaluation import Chosen
from utils.data.overlap import seen_in, texts_of
from utils.data.partition import Domains
from utils.ood_data import asked_sets

LANGUAGES = "ar bg de el en es fr hi ru sw th tr ur vi zh".split()
NLI, GENRES = ("entailment", "neutral", "contradiction"), ("fiction", "government", "slate", "telephone", "travel")
# task → split → rows of each label, in the spec's label order
LABELS = {
    "cola": {"train": (2528, 6023), "dev": (322, 721)},
    "rte": {"train": (1249, 1241), "dev": (146, 131)},
    "mrpc": {"train": (1194, 2474), "dev": (129, 279), "test": (578, 1147)},
    "wnli": {"train": (323, 312), "dev": (40, 31)},
    "sst2": {"train": (8915, 11085), "dev": (428, 444)},
    "qnli": {"train": (2996, 3004), "dev": (2702, 2761)},
    "qqp": {"train": (7479, 4521), "dev": (617, 383)},
    "mnli": {"train": (2529, 2378, 2593), "dev_matched": (333, 318, 349), "dev_mismatched": (350, 316, 334),
             "dev_matched_text": (3479, 3123, 3213)},
    "boolq": {"train": (3553, 5874), "dev": (1237, 2033)},
    "copa": {"train": (195, 205), "dev": (55, 45)},
    "xnli": {"dev": (4950,) * 3, "test": (1500,) * 3},
}
ROWS = {"stsb": {"train": 5749, "dev": 1500}, "qasc": {"train": 8134, "dev": 926}}
DOMAINS = {
    ("mnli", "train"): dict.fromkeys(GENRES, 1500),
    ("mnli", "dev_matched"): dict(zip(GENRES, (201, 183, 210, 190, 216))),
    ("mnli", "dev_mismatched"): {"facetoface": 215, "letters": 206, "nineeleven": 198, "oup": 202, "verbatim": 179},
    ("mnli", "dev_matched_text"): dict(zip(GENRES, (1973, 1945, 1955, 1966, 1976))),
    ("xnli", "dev"): dict.fromkeys(LANGUAGES, 990),
    ("xnli", "test"): dict.fromkeys(LANGUAGES, 300),
    ("stsb", "train"): {"main-captions": 2000, "main-forums": 450, "main-news": 3299},
    ("stsb", "dev"): {"main-captions": 625, "main-forums": 375, "main-news": 500},
    ("rte", "train"): {"all": 2490},
}


@pytest.fixture(scope="module")
def tables(shared_data, tmp_path_factory):
    """Return table(task), made from the shared data once."""
    out, made = tmp_path_factory.mktemp("data"), {}

    def table(task):
        if task not in made:
            made[task] = prepare(task, str(shared_data), out)
        return made[task]

    return table


def test_the_numbers_here_cover_every_shipped_task_but_sentiment():
    assert {*LABELS, *ROWS} == {*SHIPPED} - {"sentiment"}


def test_xnlis_rows_are_translations_of_each_other(tables):
    labels = np.array(tables("xnli").split("test")["label"]).reshape(len(LANGUAGES), -1)
    assert (labels == labels[0]).all()
    none = Domains((), ())
    assert [Chosen(name, tables("xnli"), name, none).parallel for name in ("dev", "test")] == [990, 300]
    assert Chosen("dev", tables("rte"), "dev", none).parallel is None


@pytest.mark.parametrize("task", LABELS)
def test_every_row_is_kept_with_its_label(tables, task):
    table = tables(task)
    assert {name: tuple(split["labels"].values()) for name, split in table.card["splits"].items()} == LABELS[task]
    for name, counts in LABELS[task].items():
        rows = table.split(name)
        assert rows.num_rows == sum(counts)
        assert collections.Counter(rows["label"].to_pylist()) == dict(enumerate(counts))
        assert rows["row"].to_pylist() == list(range(sum(counts)))
    assert table.train_split == ("dev" if task == "xnli" else "train")


@pytest.mark.parametrize("task", ROWS)
def test_every_row_of_the_other_kinds_is_kept(tables, task):
    assert {name: tables(task).split(name).num_rows for name in tables(task).splits} == ROWS[task]


@pytest.mark.parametrize(("task", "split"), DOMAINS)
def test_domains(tables, task, split):
    assert tables(task).card["splits"][split]["domains"] == DOMAINS[task, split]


def test_mnli_genres_by_label(tables):
    rows = tables("mnli").split("train")
    counts = collections.Counter(zip(rows["domain"].to_pylist(), rows["label"].to_pylist()))
    by_genre = {"fiction": (509, 501, 490), "government": (486, 502, 512), "slate": (523, 453, 524),
                "telephone": (496, 440, 564), "travel": (515, 482, 503)}
    assert {genre: tuple(counts[genre, label] for label in range(3)) for genre in GENRES} == by_genre


def test_mnli_text_file_agrees_with_the_official_one(tables):
    columns = ("premise", "hypothesis", "domain", "label")
    rows, whole = ({tuple(row[name] for name in columns) for row in tables("mnli").split(split).to_pylist()}
                   for split in ("dev_matched", "dev_matched_text"))
    assert rows < whole


def test_texts_are_as_in_the_files(tables, shared_data):
    """Take every text out of the raw bytes by a rule of one line, and compare."""
    for task, file, columns in [("cola", "glue/CoLA/train.tsv", (3,)), ("sst2", "glue/SST-2/train.tsv", (0,)),
                                ("qnli", "glue/QNLI/train.tsv", (1, 2)), ("mrpc", "glue/MRPC/dev.tsv", (3, 4)),
                                ("stsb", "glue/STS-B/dev.tsv", (7, 8)), ("xnli", "xnli/xnli.test.tsv", (6, 7))]:
        lines = (shared_data / file).read_bytes().decode().removesuffix("\n").split("\n")[task != "cola":]
        split = re.findall(r"dev|train|test", file)[-1]
        rows = tables(task).split(split)
        for name, column in zip(load(task).SPEC.text, columns):
            assert rows[name].to_pylist() == [line.split("\t")[column] for line in lines]


def test_oddities(tables):
    assert all(text.endswith(" ") for text in tables("sst2").split("train")["sentence"].to_pylist())
    assert any(text.count('"') % 2 for text in tables("mrpc").split("train")["sentence1"].to_pylist())
    scores = tables("stsb").split("dev")["label"].to_pylist()
    assert (min(scores), max(scores)) == (0, 5) and scores[0] == 5.0
    for task, column, shared in [("cola", ("sentence",), 16), ("stsb", ("sentence1", "sentence2"), 6),
                                 ("rte", ("sentence1", "sentence2"), 0)]:
        train, dev = ({tuple(row[name] for name in column) for row in tables(task).split(split).to_pylist()}
                      for split in ("train", "dev"))
        assert len(train & dev) == shared
    assert "swb04" in tables("cola").card["splits"]["dev"]["domains"]  # a source that train has not


@pytest.mark.parametrize(("train", "tested", "split", "seen"), [
    ("stsb", "mrpc", "test", [499, 499, 518]), ("rte", "rte", "dev", [0, 26, 79])])
def test_what_is_tested_on_is_in_other_training_rows(tables, train, tested, split, seen):
    """Whole pairs, first sentences, second ones."""
    rows, others = (tables(task).split(name) for task, name in ((train, "train"), (tested, split)))
    columns = load("rte").SPEC.text
    assert seen_in([texts_of(rows, columns)], [texts_of(others, columns)])[0].sum(1).tolist() == seen
    first = {re.sub(r"[\W_]", "", text).lower() for text in rows["sentence1"].to_pylist()}
    assert sum(re.sub(r"[\W_]", "", text).lower() in first for text in others["sentence1"].to_pylist()) == seen[1]


def test_multiple_choice_rows(tables):
    first = tables("copa").split("dev").to_pylist()[0]
    assert first == {"row": 0, "domain": "all", "label": 1,
                     "question": "The man turned on the faucet. What happened as a result?",
                     "choices": ["The toilet filled with water.", "Water flowed from the spout."]}
    rows = tables("qasc").split("train").to_pylist()
    assert rows[0]["question"] == "What type of water formation is formed by clouds?"
    assert rows[0]["choices"][rows[0]["label"]] == "beads"
    assert all(len(row["choices"]) == 8 for row in rows)
    assert min(collections.Counter(row["label"] for row in rows).values()) > 900  # near uniform


@pytest.mark.parametrize("task", sorted({*LABELS, *ROWS}))
def test_the_prompt_and_its_words_fit_the_columns(tables, task):
    spec = load(task).SPEC
    row = tables(task).split(spec.test_split).to_pylist()[0]
    said = spec.prompt.format(**{name: row[name] for name in spec.text}, choices="(A) a (B) b")
    assert all(row[name] in said for name in spec.text) and said.startswith(task)
    assert len(set(spec.label_words)) == (26 if task == "stsb" else len(spec.labels))


def test_a_folder_and_the_root_above_it_give_the_same_table(tables, shared_data, tmp_path):
    for source in ("glue/RTE", "glue"):
        table = prepare("rte", str(shared_data / source), tmp_path, again=True)
        assert table.fingerprint == tables("rte").fingerprint
    assert re.fullmatch("[0-9a-f]{64}", table.fingerprint)


def test_the_files_are_those_that_the_readme_describes(shared_data):
    rows = re.findall(r"^\| `(\S+)` \| [\d,]+ \| [\d,]+ \| `([0-9a-f]{64})` \|$",
                      (shared_data / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == 29
    for file, digest in rows:
        assert hashlib.sha256((shared_data / file).read_bytes()).hexdigest() == digest, file


def test_cola_s_six_sources_that_train_has_not_are_out_of_domain(tables):
    config = RunConfig(data="cola", data_dir=str(tables("cola").folder.parent), domain_by="natural")
    data = TaskData(config, load("cola").SPEC)
    kept = TaskData(replace(config, overlap="keep"), load("cola").SPEC)
    some, rows = ({each.name: sum(map(len, each.domains.rows)) for each in found.chosen} for found in (data, kept))
    assert rows == {"test": 527, "unseen": 516} and some == {"test": 527, "unseen": 504}  # 12 are training rows
    assert {name: found["training_rows"] for name, found in kept.overlap().items()} == {"test": 7, "unseen": 12}
    assert len(data.plan.shards) == len(data.plan.test.names) == 17
    assert len(data.plan.unseen.names) == 6 and "swb04" in data.plan.unseen.names
    held_out = TaskData(replace(config, hold_out_domain="ks08"), load("cola").SPEC)
    assert held_out.set_names == ["test", "held_out_domain", "unseen"] and len(held_out.plan.shards) == 16


@pytest.mark.parametrize("task, in_order, either", [("mrpc", 6, 12), ("stsb", 6, 8)])
def test_pairs_that_are_trained_on_count_in_either_order(tables, task, in_order, either):
    config, spec = RunConfig(data=task, data_dir=str(tables(task).folder.parent)), load(task).SPEC
    assert [TaskData(config, each).overlap()["test"]["training_rows"]
            for each in (replace(spec, symmetric=False), spec)] == [in_order, either]


@pytest.mark.parametrize("task, ood_data, expected", [
    ("mnli", "rte,wnli,xnli@de,mnli:dev_mismatched", {"rte": {0: 146, 1: 131}, "wnli": {0: 31, 1: 40}, "xnli-de": {
        0: 100, 1: 100, 2: 100}, "mnli-dev_mismatched": {0: 350, 1: 316, 2: 334}}),
    ("rte", "mnli,wnli", {"mnli": {0: 333, 1: 667}, "wnli": {0: 31, 1: 40}}),
    ("qqp", "mrpc", {"mrpc": {0: 578, 1: 1147}})])
def test_other_tasks_rows_have_the_labels_that_they_mean(tables, task, ood_data, expected):
    others = [each.task for each in asked_sets(ood_data) if each.task != task]
    out = [tables(each).folder.parent for each in (task, *others)][0]
    data = TaskData(RunConfig(data=task, data_dir=str(out), ood_data=ood_data), load(task).SPEC,
                    tuple(load(each).SPEC for each in others))
    keys = {split: key for key, split in data.splits.items()}
    found = {each.name: collections.Counter(
        label for rows in each.domains.rows for label in data.labels[keys[each.table, each.split]][rows].tolist())
        for each in data.chosen[1:]}
    assert found == expected
