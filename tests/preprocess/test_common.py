"""Finding tasks, making tables and the command line."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from preprocess.common import load, main, prepare, prepare_run, specs_of, task_names
from preprocess.sources import Glue
from tests.conftest import ROOT, SHIPPED
from tests.processes import run_script
from utils.config import RunConfig
from utils.data.task import TABLE_FORMAT
from utils.errors import UserError

RTE = "index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\tentailment\n1\tC.\tD.\tnot_entailment\n"


@pytest.fixture
def rte(tmp_path):
    """A folder with two rows of RTE in the official format."""
    folder = tmp_path / "RTE"
    folder.mkdir()
    (folder / "train.tsv").write_text(RTE)
    (folder / "dev.tsv").write_text(RTE)
    return folder


def test_every_task_has_a_spec_of_its_name_and_a_reader():
    assert list(task_names()) == sorted(task_names()) and {*SHIPPED} <= {*task_names()}
    for name in task_names():
        module = load(name)
        assert module.SPEC.name == name and callable(module.read_files)
        assert f"python preprocess/{name}.py" in module.__doc__


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_task_has_one_public_source_and_says_what_to_cite(name):
    module = load(name)
    assert hasattr(module, "read_hub") != hasattr(module, "read_pypi")
    assert module.SPEC.citation


def test_an_unknown_task_names_the_close_one():
    with pytest.raises(UserError, match=r"no task 'mnIi' \(did you mean mnli\?\); the tasks are .*boolq, "):
        load("mnIi")
    for name in ("common", "../rte", "os", ""):
        with pytest.raises(UserError, match="no task"):
            load(name)


def test_a_table_is_made_once_and_again_when_stale(rte, tmp_path, caplog):
    caplog.set_level("INFO", logger="lm")
    out = tmp_path / "data"
    made = prepare("rte", str(rte), out)
    assert "making" in caplog.text
    caplog.clear()
    (rte / "dev.tsv").write_text(RTE + "2\tE.\tF.\tentailment\n")
    assert prepare("rte", None, out).fingerprint == made.fingerprint  # it is there: no source is asked
    assert caplog.text == ""
    assert prepare("rte", "hub", out).fingerprint == made.fingerprint
    assert f"is there, from {rte}; to make it from hub, run python preprocess/rte.py --source hub --out {out}" in (
        caplog.text)
    with pytest.raises(UserError, match=f"--source hub@v1: .* is there, from {rte}; .* --source hub@v1 --out {out}"):
        prepare("rte", "hub@v1", out)
    caplog.clear()
    assert prepare("rte", str(rte), out, again=True).card["splits"]["dev"]["rows"] == 3
    card = out / "rte" / "card.json"
    card.write_text(card.read_text().replace(f'"format": {TABLE_FORMAT}', '"format": 0'))
    assert prepare("rte", None, out).card["format"] == TABLE_FORMAT  # from where the stale one was made
    assert f"of another version\npreprocess: making {out / 'rte'} from {rte}" in "\n".join(caplog.messages)


def test_missing_sources_and_files_are_named(rte, tmp_path):
    out = tmp_path / "data"
    with pytest.raises(UserError, match="--source nowhere: no such file or folder"):
        prepare("rte", "nowhere", out)
    with pytest.raises(UserError, match="train.tsv is neither there nor in its MRPC or glue/MRPC"):
        prepare("mrpc", str(tmp_path), out)
    with pytest.raises(UserError, match="--source pypi: rte is not there; use hub or a path"):
        prepare("rte", "pypi", out)
    with pytest.raises(UserError, match="--source hub: sentiment is not there; use pypi or a path"):
        prepare("sentiment", "hub", out)
    (rte / "dev.tsv").unlink()
    with pytest.raises(UserError, match="dev.tsv: No such file"):
        prepare("rte", str(rte), out)
    assert not out.exists()


def test_other_tasks_rows_are_of_the_same_folder_where_it_holds_them(rte, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", logger="lm")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    config = RunConfig(data="rte", source=str(tmp_path), data_dir=str(tmp_path / "data"), ood_data="wnli:dev,wnli")
    with pytest.raises(UserError, match=f"--ood_data wnli: wnli: nyu-mll/glue.*; --source {tmp_path}: train.tsv is "
                                        "neither there nor in its WNLI or "):
        prepare_run(config, {})
    assert f"{tmp_path} has no files of wnli, which is had from its own source" in caplog.text
    (tmp_path / "WNLI").mkdir()
    for name in ("train.tsv", "dev.tsv"):
        (tmp_path / "WNLI" / name).write_text("index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\t1\n")
    assert prepare_run(config, {}) == (load("rte").SPEC, (load("wnli").SPEC,)) == specs_of(config)
    assert prepare("wnli", None, tmp_path / "data").source == str(tmp_path)
    shutil.rmtree(tmp_path / "data")  # a run that goes on has its rows from where they were
    assert prepare_run(replace(config, source=""), dict.fromkeys(("rte", "wnli"), str(tmp_path)))[0].name == "rte"


@pytest.mark.parametrize("ood_data, message", [
    ("mnIi", r"--ood_data mnIi: no task 'mnIi' \(did you mean mnli\?\)"),
    ("wnli,sst2:dev", "--ood_data sst2:dev: its labels say nothing of those of rte; those of "
     "anli, hans, mnli, scitail, snli, wnli, xnli do$"),
    ("qnli", "--ood_data qnli: its labels say nothing of those of rte"), ("stsb", "--ood_data stsb: its labels")])
def test_a_task_that_asks_something_else_is_one_line(ood_data, message):
    with pytest.raises(UserError, match=message):
        specs_of(RunConfig(data="rte", ood_data=ood_data))


def test_a_task_that_no_other_asks_the_same_as_is_one_line():
    with pytest.raises(UserError, match="its labels say nothing of those of qnli; nor do those of any other task$"):
        specs_of(RunConfig(data="qnli", ood_data="rte"))


def test_the_task_trained_on_may_be_had_from_its_own_source_where_the_folder_has_anothers_files(
        tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO", logger="lm")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    config = RunConfig(data="wnli", source=str(tmp_path), data_dir=str(tmp_path / "data"))
    with pytest.raises(UserError, match="train.tsv is neither there nor in its"):
        prepare_run(config, {})
    with pytest.raises(UserError, match="^wnli: nyu-mll/glue"):
        prepare_run(replace(config, ood_data="rte"), {})
    assert f"{tmp_path} has no files of wnli, which is had from its own source" in caplog.text


@pytest.mark.parametrize(("task", "file", "line", "message"), [
    ("rte", "0\tA\tB\tmaybe", 2, "label 'maybe' is none of entailment, not_entailment"),
    ("stsb", "0\tg\tf\ty\ti\ts\ts\tA\tB\t5.5", 2, "score '5.5' is no number from 0 to 5"),
    ("sst2", "A \t2", 2, "label '2' is none of 0, 1"),
])
def test_a_bad_row_is_named(tmp_path, task, file, line, message):
    header = {"rte": RTE.splitlines()[0], "sst2": "sentence\tlabel",
              "stsb": "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore"}[task]
    (tmp_path / "train.tsv").write_text(f"{header}\n{file}\n")
    with pytest.raises(UserError) as raised:
        prepare(task, str(tmp_path), tmp_path / "data")
    assert str(raised.value) == f"{tmp_path / 'train.tsv'}:{line}: {message}"


@pytest.mark.parametrize(("task", "record", "message"), [
    ("boolq", '{"question": "q", "passage": "p", "label": "true"}', "key 'label' has \"true\"; expected a bool"),
    ("copa", '{"premise": "p", "choice1": "a", "choice2": "b", "question": "why", "label": 0}',
     "question 'why' is none of cause, effect"),
    ("copa", '{"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "label": 2}',
     "label 2 is none of 0, 1"),
    ("qasc", '{"question": {"stem": "s", "choices": []}, "answerKey": "A"}', "not eight texts labelled A to H"),
    ("qasc", '{"question": {"stem": "s", "choices": ["a"]}, "answerKey": "A"}', "question is not {stem"),
])
def test_a_bad_object_is_named(tmp_path, task, record, message):
    (tmp_path / "train.jsonl").write_text(record + "\n")
    with pytest.raises(UserError) as raised:
        prepare(task, str(tmp_path), tmp_path / "data")
    assert str(raised.value).startswith(f"{tmp_path / 'train.jsonl'}:1: ") and message in str(raised.value)


def test_torn_lines_of_qqp_are_left_out(tmp_path, caplog):
    rows = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t1\t2\tA?\tB?\t1\n2\t3\t4\tC\n?\tD?\t0\n"
    for name in ("train.tsv", "dev.tsv"):
        (tmp_path / name).write_text(rows)
    assert prepare("qqp", str(tmp_path), tmp_path / "data").card["splits"]["train"]["rows"] == 1
    assert "train.tsv: left out 2 torn lines" in caplog.text


def test_xnli_trains_on_translated_rows_where_they_are(tmp_path):
    header = "language\tgold_label\tsentence1\tsentence2\n"
    for split in ("dev", "test"):
        (tmp_path / f"xnli.{split}.tsv").write_text(f"{header}de\tneutral\tA\tB\nsw\tentailment\tC\tD\n")
    assert prepare("xnli", str(tmp_path), tmp_path / "data").train_split == "dev"
    (tmp_path / "multinli").mkdir()
    for language, label in (("sw", "contradictory"), ("de", "entailment"), ("vi", "contradiction")):
        (tmp_path / "multinli" / f"multinli.train.{language}.tsv").write_text(f"premise\thypo\tlabel\nP\tH\t{label}\n")
    table = prepare("xnli", str(tmp_path), tmp_path / "data", again=True)
    assert table.train_split == "train"
    assert table.split("train").to_pylist() == [
        {"row": 0, "domain": "de", "label": 0, "premise": "P", "hypothesis": "H"},
        {"row": 1, "domain": "sw", "label": 2, "premise": "P", "hypothesis": "H"},
        {"row": 2, "domain": "vi", "label": 2, "premise": "P", "hypothesis": "H"}]


def test_rows_without_a_label_are_left_out_and_counted(tmp_path, caplog):
    caplog.set_level("INFO", logger="lm")
    header, texts = "genre\tsentence1\tsentence2\tgold_label\n", ("neutral", "-", "entailment", "-")
    for split, labels in {"train": texts, "dev_matched": texts[:2], "dev_mismatched": "--"}.items():
        (tmp_path / f"{split}.tsv").write_text(header + "".join(f"slate\tA\tB\t{label}\n" for label in labels))
    table = prepare("mnli", str(tmp_path), tmp_path / "data")
    assert {name: (split["rows"], split["unlabelled"]) for name, split in table.card["splits"].items()} == {
        "train": (2, 2), "dev_matched": (1, 1)}
    assert table.split("train")["row"].to_pylist() == [0, 1]
    for said in ("left out the split dev_mismatched: none of its 2 rows has a label",
                 "rows of train that have no label and are left out: 2", "rows of dev_matched that have no label"):
        assert said in caplog.text
    (tmp_path / "dev_matched.tsv").write_text(f"{header}slate\tA\tB\t-\n")
    with pytest.raises(UserError, match="mnli: .* has the splits train; expected .* and dev_matched to test on"):
        prepare("mnli", str(tmp_path), tmp_path / "data", again=True)


def test_a_code_that_says_unlabelled_elsewhere_may_be_a_class(tmp_path):
    spec = replace(load("sst2").SPEC, labels=("-1", "1"))
    for split in ("train", "dev"):
        (tmp_path / f"{split}.tsv").write_text("sentence\tlabel\nA\t-1\nB\t1\n")
    rows = Glue(spec, folder="x", codes=spec.labels).read_files(tmp_path)["train"]
    assert [row["label"] for row in rows] == [0, 1]


def test_a_table_opens_where_nothing_may_be_written(rte, tmp_path):
    """Root may write anywhere, so as root the right to is given up first."""
    prefix = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()
    if prefix and not shutil.which("setpriv"):
        pytest.skip("root, and no setpriv to give its rights up")
    made = prepare("rte", str(rte), tmp_path / "data")
    for folder in (made.folder, made.folder.parent):
        folder.chmod(0o555)
    code = ("import os, sys, pathlib, preprocess.common as common; out = pathlib.Path(sys.argv[1])\n"
            "table = common.prepare('rte', None, out); print(table.split('train').num_rows, os.access(out, os.W_OK))")
    done = subprocess.run([*prefix, sys.executable, "-c", code, tmp_path / "data"], cwd=ROOT, capture_output=True,
                          text=True)
    for folder in (made.folder, made.folder.parent):
        folder.chmod(0o755)
    assert (done.stdout, done.stderr) == ("2 False\n", "")


def test_the_command_makes_a_table(rte, tmp_path):
    done = run_script("preprocess/rte.py", "--source", rte.parent, "--out", tmp_path / "data")
    assert (done.returncode, done.stdout) == (0, "")
    assert "has train 2 rows, dev 2 rows" in done.stderr
    assert (tmp_path / "data" / "rte" / "card.json").is_file()


def test_the_command_says_what_it_leaves_out_of_the_environment(rte, tmp_path):
    done = run_script("preprocess/rte.py", "--source", rte, "--out", tmp_path / "data", OMP_PLACES="{0}")
    assert "left out of the environment (docs/environment.md says why): OMP_PLACES\n" in done.stderr


def test_the_command_answers_wrong_input_with_one_line(rte, tmp_path):
    (rte / "dev.tsv").write_bytes(b"index\tsentence1\tsentence2\tlabel\n0\t\xff\tB\tentailment\n")
    done = run_script("preprocess/rte.py", "--source", rte, "--out", tmp_path / "data")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines()[-1] == (
        f"preprocess: {rte / 'dev.tsv'}:2: byte 3 is not UTF-8; expected UTF-8 text")
    assert "Traceback" not in done.stderr and not (tmp_path / "data").exists()


def test_a_wrong_command_line_is_one_line(capsys):
    with pytest.raises(SystemExit) as stop:
        main(load("rte").SPEC, ["--sorce", "x"])
    said = "preprocess/rte.py: unrecognized arguments: --sorce x (see --help)\n"
    assert stop.value.code == 2 and capsys.readouterr() == ("", said)


def test_help_imports_nothing_heavy():
    code = ("import runpy, sys; sys.argv = ['x', '--help']\n"
            "try: runpy.run_path('preprocess/mnli.py', run_name='__main__')\n"
            "except SystemExit: print({'pyarrow', 'numpy', 'datasets', 'torch'} & set(sys.modules))")
    done = run_script("-c", code)
    assert "--source hub|hub@REV|PATH" in done.stdout and done.stdout.endswith("set()\n")


def test_boolqs_prompt_puts_the_question_where_truncation_spares_it():
    prompt = load("boolq").SPEC.prompt
    assert prompt.index("{question}") < prompt.index("{passage}")
