"""The text that a model is pre-trained on: what has none is named."""

import pytest

import preprocess.common as preprocess
from pretraining.flags import PretrainFlags
from pretraining.text import Corpus
from tests.toy import toy_rows
from utils.data.table import write_table
from utils.errors import UserError


@pytest.mark.parametrize("blank", ["", "\n \n\t\n"])
def test_a_file_without_text_is_named(blank, tmp_path):
    (tmp_path / "blank.txt").write_text(blank)
    (tmp_path / "real.txt").write_text("\na river of stone\n \n")
    assert Corpus.of(PretrainFlags(text=f"{tmp_path}/real.txt")).texts == ["a river of stone"]
    with pytest.raises(UserError, match=f"--text {tmp_path}/blank.txt: has no text"):
        Corpus.of(PretrainFlags(text=f"{tmp_path}/real.txt,{tmp_path}/blank.txt"))


def test_a_table_that_is_not_there_and_cannot_be_made_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="^--task cola: nyu-mll/glue: .*; make its table with python preprocess/cola.py "
                                        f"--source PATH --out {tmp_path}$"):
        Corpus.of(PretrainFlags(task="cola", data_dir=str(tmp_path)))


def test_a_domain_without_text_is_named(tmp_path):
    rows = toy_rows(8, 1)
    blank = [{**row, "sentence1": " ", "sentence2": "", "domain": "none"} for row in rows]
    write_table(tmp_path / "rte", preprocess.load("rte").SPEC, {"train": rows + blank, "dev": rows}, "toy")
    flags = {"task": "rte", "data_dir": str(tmp_path)}
    assert [part.name for part in Corpus.of(PretrainFlags(**flags, domains="all")).parts] == ["rte/all"]
    with pytest.raises(UserError, match="--task rte: the rows of rte/none have no text; name others by --domains"):
        Corpus.of(PretrainFlags(**flags))
