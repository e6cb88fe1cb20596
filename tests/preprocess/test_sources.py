"""The hub's rows, from data sets made in memory with the hub's own features, and from a hub on loopback."""

import re

import datasets
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from preprocess import boolq, cola, copa, mnli, qasc, rte, stsb, xnli
from preprocess.sources import hub_rows, hub_splits, load_hub, score
from tests.hub.store import parquet_files
from tests.processes import run_script
from utils.data.readers import NO_LABEL
from utils.data.table import open_table
from utils.errors import UserError
from utils.hub.reading import open_snapshot
from utils.hub.repository import Repository

TEXT = Value("string")
GLUE = "nyu-mll/glue"


def made(columns: dict, **features) -> Dataset:
    return Dataset.from_dict(columns, Features(features))


def glue_rte(labels, names=("entailment", "not_entailment")) -> Dataset:
    n = len(labels)
    return made({"sentence1": ["A."] * n, "sentence2": ["B."] * n, "label": labels, "idx": list(range(n))},
                sentence1=TEXT, sentence2=TEXT, label=ClassLabel(names=list(names)), idx=Value("int32"))


def test_unlabelled_rows_are_marked_for_the_table_to_leave_out():
    data = datasets.DatasetDict(train=glue_rte([0, -1, 1]), validation=glue_rte([1]), test=glue_rte([-1, None]))
    splits = hub_splits(rte.SPEC, data, rte.GLUE.hub_row, names={**{"test": "test"}, **rte.GLUE.hub_names})
    zero, one = ({"sentence1": "A.", "sentence2": "B.", "label": label, "domain": "all"} for label in (0, 1))
    assert {name: list(rows) for name, rows in splits.items()} == {
        "train": [zero, NO_LABEL, one], "dev": [one], "test": [NO_LABEL, NO_LABEL]}


def test_labels_go_by_the_names_that_the_hub_states():
    turned = glue_rte([0, 1, 1], names=("not_entailment", "entailment"))
    assert [row["label"] for row in hub_rows(turned, rte.SPEC, rte.GLUE.hub_row)] == [1, 0, 0]
    with pytest.raises(UserError, match="rte: the hub's classes are no, yes; expected entailment, not_entailment"):
        hub_rows(glue_rte([0], names=("no", "yes")), rte.SPEC, rte.GLUE.hub_row)
    with pytest.raises(UserError, match="the hub's columns are .*; expected label"):
        hub_rows(glue_rte([0]).remove_columns("label"), rte.SPEC, rte.GLUE.hub_row)
    with pytest.raises(UserError, match="rte: the hub's columns are sentence1, label, idx; expected 'sentence2'"):
        list(hub_rows(glue_rte([0]).remove_columns("sentence2"), rte.SPEC, rte.GLUE.hub_row))


@pytest.mark.parametrize(("spec", "row", "label", "message"), [
    (rte.SPEC, rte.GLUE.hub_row, Value("int64"), "label 7 is none of entailment, not_entailment"),
    (rte.SPEC, rte.GLUE.hub_row, TEXT, "label '7' is none of entailment, not_entailment"),
    (stsb.SPEC, stsb.GLUE.hub_row, Value("float32"), "score '7.0' is no number from 0 to 5"),
])
def test_a_wrong_label_names_the_row(spec, row, label, message):
    columns = {name: ["A.", "B."] for name in spec.text}
    good = "entailment" if label == TEXT else 0
    data = Dataset.from_dict({**columns, "label": [good, "7" if label == TEXT else 7]},
                             Features({**dict.fromkeys(spec.text, TEXT), "label": label}), split="train")
    with pytest.raises(UserError) as raised:
        list(hub_rows(data, spec, row))
    assert str(raised.value) == f"{spec.name}: the hub's train row 1: {message}"


def test_glue_rows_with_and_without_domains():
    data = made({"sentence": ["A"], "label": [1], "idx": [0]},
                sentence=TEXT, label=ClassLabel(names=["unacceptable", "acceptable"]), idx=Value("int32"))
    assert list(hub_rows(data, cola.SPEC, cola.GLUE.hub_row)) == [{"sentence": "A", "label": 1, "domain": "all"}]
    data = made({"premise": ["P"], "hypothesis": ["H"], "genre": ["slate"], "label": [2]}, premise=TEXT,
                hypothesis=TEXT, genre=TEXT, label=ClassLabel(names=["entailment", "neutral", "contradiction"]))
    assert list(hub_rows(data, mnli.SPEC, mnli.GLUE.hub_row)) == [
        {"premise": "P", "hypothesis": "H", "label": 2, "domain": "slate"}]
    assert list(xnli.hub_language({"train": data}, "train", "sw")) == [
        {"premise": "P", "hypothesis": "H", "label": 2, "domain": "sw"}]


def test_superglue_and_qasc_rows():
    data = made({"question": ["q"], "passage": ["p"], "label": [1]}, question=TEXT, passage=TEXT,
                label=ClassLabel(names=["False", "True"]))
    assert list(hub_rows(data, boolq.SPEC, boolq.table_row)) == [
        {"question": "q", "passage": "p", "label": 1, "domain": "all"}]
    data = made({"premise": ["It fell."], "choice1": ["a"], "choice2": ["b"], "question": ["cause"], "label": [1]},
                premise=TEXT, choice1=TEXT, choice2=TEXT, question=TEXT,
                label=ClassLabel(names=["choice1", "choice2"]))
    assert list(hub_rows(data, copa.SPEC, copa.table_row)) == [
        {"question": "It fell. What was the cause of this?", "choices": ["a", "b"], "label": 1, "domain": "all"}]
    letters = list("ABCDEFGH")
    choices = {"text": [f"choice {letter}" for letter in letters], "label": letters}
    features = {"question": TEXT, "choices": {"text": List(TEXT), "label": List(TEXT)}, "answerKey": TEXT}
    data = made({"question": ["q"], "choices": [choices], "answerKey": ["F"]}, **features)
    assert list(hub_rows(data, qasc.SPEC, qasc.hub_row, label="answerKey")) == [
        {"question": "q", "choices": choices["text"], "label": 5, "domain": "all"}]
    unlabelled = made({"question": ["q"], "choices": [choices], "answerKey": [""]}, **features)
    assert list(hub_rows(unlabelled, qasc.SPEC, qasc.hub_row, label="answerKey")) == [NO_LABEL]
    shuffled = {**choices, "label": letters[::-1]}
    with pytest.raises(UserError, match="row 0: the choices are not eight texts labelled A to H in order"):
        list(hub_rows(made({"question": ["q"], "choices": [shuffled], "answerKey": ["F"]}, **features), qasc.SPEC,
                      qasc.hub_row, label="answerKey"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_are_those_of_the_files(dtype):
    written = ("3.800", "0.2", "5.000", "2.615", "3.77777777777778")
    data = made({"sentence1": ["A"] * 5, "sentence2": ["B"] * 5, "label": list(map(float, written))},
                sentence1=TEXT, sentence2=TEXT, label=Value(dtype))
    found = [row["label"] for row in hub_rows(data, stsb.SPEC, stsb.GLUE.hub_row)]
    assert found == [score(each, (0, 5)) for each in written] == [3.8, 0.2, 5, 2.615, 3.7777777]


def test_an_unlabelled_split_of_a_language_is_refused():
    data = made({"premise": ["P"], "hypothesis": ["H"], "label": [-1]}, premise=TEXT, hypothesis=TEXT,
                label=ClassLabel(names=["entailment", "neutral", "contradiction"]))
    with pytest.raises(UserError, match="xnli: the hub's sw rows have no labels; python preprocess/xnli.py --source"):
        xnli.hub_language({"train": data}, "train", "sw")
    with pytest.raises(UserError, match="xnli: the hub's columns are premise, hypothesis; expected label"):
        xnli.hub_language({"train": data.remove_columns("label")}, "train", "sw")
    with pytest.raises(UserError, match="xnli: the hub's sw rows have no split test; python preprocess/xnli.py"):
        xnli.hub_language({"train": data}, "test", "sw")


def splits(n: int) -> dict[str, Dataset]:
    """Return n rows of RTE as the hub has them, and 4 to test on."""
    return {"train": glue_rte([0] * n), "validation": glue_rte([0] * 4)}


def test_a_data_set_at_a_revision_and_from_the_cache(hub, tmp_path):
    def made(*flags: str, code: int = 0, **environment: str):
        """Run preprocess/rte.py; return what it says, and the table if there is one."""
        done = run_script("preprocess/rte.py", "--out", tmp_path, *flags, **{**hub.environment(), **environment})
        assert done.returncode == code and "Traceback" not in done.stderr and done.stdout == "", done.stderr
        return done.stderr, open_table(tmp_path / "rte", rte.SPEC) if not code else None

    first = hub.add_dataset(GLUE, {"rte": splits(8), "cola": splits(9)}, "v1.0")
    second = hub.add_dataset(GLUE, {"rte": splits(10)})
    said, table = made()
    assert table.rows("train") == 10 and table.card["source"] == "hub" and table.source == f"hub@{second}"
    assert table.card["hub"] == {"repo": GLUE, "config": "rte", "commit": second}
    assert "nyu-mll/glue: downloading " in said and f"{hub.folder}/hf/hub" in said
    said, table = made("--source", "hub@v1.0")
    assert table.rows("train") == 8 and table.card["hub"]["commit"] == first
    assert not any("cola" in request.path for request in hub.requests)
    hub.fault(".*", hang=True)
    said, table = made("--source", "hub@main")
    assert table.card["hub"]["commit"] == second
    assert "no answer within 3 s: going on with the copy in the cache" in said
    said, table = made("--source", f"hub@{first}", HF_HUB_OFFLINE="1")
    assert table.card["hub"]["commit"] == first and "going on" not in said
    said, _ = made("--source", "hub@v2", code=2, HF_HUB_OFFLINE="1")
    assert f"preprocess: rte: {GLUE}@v2: not in the local cache (" in said.splitlines()[-1]


def test_a_data_set_that_is_not_what_is_expected(hub, endpoint, monkeypatch, tmp_path):
    def refused() -> str:
        with pytest.raises(UserError) as caught:
            load_hub(open_snapshot(Repository("dataset", GLUE, "", f"rte: {GLUE}", "use PATH")), "rte")
        return str(caught.value)

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    files = parquet_files({"rte": splits(8)})
    hub.add_dataset(GLUE, {"cola": splits(9)})
    assert f"rte: {GLUE}: its configurations are cola; expected rte" in refused()
    splits(8)["train"].to_parquet(tmp_path / "mine.parquet")
    for place in (tmp_path / "mine.parquet", "../../../../../../mine.parquet", "https://elsewhere.invalid/a.parquet"):
        hub.datasets[GLUE].put({**files, "README.md": files["README.md"].replace(b"rte/train-*", str(place).encode())})
        assert "no file of its split train is in it" in refused()
    hub.datasets[GLUE].put({**files, "rte/train-00000-of-00001.parquet": b"no Parquet"})
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # what is read lies here: no proxy has to do with it
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    assert re.fullmatch(f"rte: {GLUE}: cannot be read as a data set: Parquet magic .* not found.*; use PATH", refused())
    hub.datasets[GLUE].put({**files, "README.md": b"---\nconfigs: [\n---\n"})
    assert f"rte: {GLUE}: cannot be read as a data set: " in refused()
    hub.datasets[GLUE].put({"cola/train/0000.parquet": b"of the hub's own conversion"})
    assert refused() == f"rte: {GLUE}: has neither a README.md nor files rte/SPLIT/0000.parquet; use PATH"
    hub.fault("GET /lfs/", status=500)
    hub.add_dataset(GLUE, {"rte": splits(11)})
    assert "the download of rte/train-00000-of-00001.parquet broke off: it answers 500" in refused()
