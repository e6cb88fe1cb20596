"""merge.py as it is typed: over finished runs, with an evaluation; killed; with many models in little memory."""

import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification

from tests.conftest import ROOT
from tests.merging.children import child, weights
from tests.processes import outcome_of
from tests.tiny import tiny_once
from tests.toy import toy_rows, toy_table

RUN = "main_lm.py --data rte --data_dir data --n_iterations 1 --max_length 32 --n_workers 1 --precision fp32 --lr 1e-3"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the toy's rows and two finished runs on them, of 60 rows and of 24."""
    base = tmp_path_factory.mktemp("place")
    toy_table(base / "data")
    for name, more in (("long", ["--seed", "1"]), ("short", ["--seed", "2", "--test", "3"])):
        done = typed(base, *RUN.split(), "--model", tiny_once(base, "bert"), "--run_dir", f"runs/{name}", *more)
        assert done.returncode == 0, done.stderr
    return base


def typed(folder, script, *words, **environment):
    """Run a script in a folder."""
    return outcome_of([sys.executable, ROOT / script, *words], environment, folder)


def trained_rows(run) -> int:
    """Return how many rows the clients of a run's first round have."""
    record = json.loads((run / "rounds.jsonl").read_text().splitlines()[1])
    return sum(client["rows"] for client in record["clients"])


def accuracy(folder) -> float:
    """Return a model's accuracy on the toy's test rows, by transformers alone."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer, rows = AutoTokenizer.from_pretrained(folder), toy_rows(24, 2)
    batch = tokenizer([row["sentence1"] for row in rows], [row["sentence2"] for row in rows], padding=True,
                      return_tensors="pt")
    with torch.inference_mode():
        found = model(**batch).logits.argmax(-1).numpy()
    return float(np.mean(found == [row["label"] for row in rows]))


def test_runs_are_merged_evaluated_and_described(place):
    done = typed(place, "merge.py", "runs/long", "runs/short", "--strategy", "median", "--out", "merged", "--data",
                 "rte", "--max_length", 32)
    assert done.returncode == 0, done.stderr
    start, rows = str(place / "tiny" / "bert"), [trained_rows(place / "runs" / name) for name in ("long", "short")]
    assert ("median counts models alike; weights of their mean (the rows that each run was trained on): "
            f"runs/long {rows[0]}, runs/short {rows[1]}; updates of {start}\n") in done.stderr
    assert rows[1] < rows[0] == 60 and ".half" not in done.stderr
    assert done.stderr.endswith("merge.py: wrote merged, merged by median\n")
    assert "has none of these, which are measured from zero: classifier.bias, classifier.weight" in done.stderr
    caption, _, header, _, *lines = done.stdout.splitlines()
    assert caption == "rte, test: 24 rows" and header.split("|")[1:3] == [" model            ", " accuracy "]
    table = {cells[1].strip(): cells[2].strip() for cells in (line.split("|") for line in lines)}
    folders = {"merged by median": place / "merged", "runs/long": place / "runs" / "long" / "model",
               "runs/short": place / "runs" / "short" / "model"}
    assert [*table] == ["merged by median", "their mean", "runs/long", "runs/short", "majority class"]
    assert {name: table[name] for name in folders} == {
        name: f"{100 * accuracy(folder):.1f}" for name, folder in folders.items()}
    assert len({line.index("|", 2) for line in lines}) == 1  # aligned
    found, each = weights(place / "merged"), [weights(place / "runs" / name / "model") for name in ("long", "short")]
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, (each[0][name] + each[1][name]) / 2, rtol=1e-6, atol=1e-8)
    card = ModelCard.load(place / "merged" / "README.md")
    assert card.data.tags == ["merge", "parameter-averaging"]
    assert card.data.eval_results[0].metric_value == pytest.approx(accuracy(place / "merged"))
    assert "| long | 60 |  | bert | 60 |" in card.text and "updates of the base bert" in card.text
    ratio, cosine = re.search(r"([\d.]+) times as long .* cosine ([\d.]+)", done.stderr).groups()
    assert f"{ratio} times as long" in card.text and f"cosine of {cosine}" in card.text
    assert "The method counts models alike; the weights are those of their mean" in card.text
    assert str(place) not in card.content
    assert sorted(path.name for path in place.iterdir() if path.name[0] == ".") == []
    again = typed(place, "merge.py", "runs/long", "runs/short", "--out", "merged")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == "merge.py: --out merged: is there already; name a new folder, or remove it\n"


def test_models_of_another_task_are_not_evaluated_and_the_head_must_be_for_it(place):
    other = child(place, "bert", 3, ("a", "b"))
    done = typed(place, "merge.py", "runs/long", other, "--head", "runs/long", "--out", "kept", "--data", "rte",
                 "--max_length", 32)
    assert done.returncode == 0, done.stderr
    rows = {cells[1].strip(): cells[2].strip() for cells in (row.split("|") for row in done.stdout.splitlines()[4:])}
    assert rows[str(other)] == "—" and rows["runs/long"] == f"{100 * accuracy(place / 'runs/long/model'):.1f}"
    assert [*rows][0] == "merged by averaging" and "their mean" not in rows
    found = weights(place / "kept")["classifier.weight"]
    assert torch.equal(found, weights(place / "runs" / "long" / "model")["classifier.weight"])
    wrong = typed(place, "merge.py", "runs/long", other, "--head", other, "--out", "wrong", "--data", "rte")
    assert wrong.returncode == 2 and "--data rte: the head of" in wrong.stderr.splitlines()[-1]
    assert "Traceback" not in wrong.stderr and not (place / "wrong").exists()


def large(folder):
    """Write a model of 31 MB, and return its folder."""
    words = len(AutoTokenizer.from_pretrained(tiny_once(folder, "bert")))
    config = BertConfig(vocab_size=words, hidden_size=128, num_hidden_layers=34, num_attention_heads=2,
                        intermediate_size=512, num_labels=2)
    BertForSequenceClassification(config).save_pretrained(folder / "large")
    AutoTokenizer.from_pretrained(folder / "tiny" / "bert").save_pretrained(folder / "large")
    return folder / "large"


PEAK = """
import resource, sys
import merge
code = merge.main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
sys.exit(code)
"""


def test_memory_does_not_grow_with_the_number_of_models(tmp_path):
    model, peaks = large(tmp_path), []
    size = (model / "model.safetensors").stat().st_size >> 20
    for number in (4, 40):
        done = subprocess.run([sys.executable, "-c", PEAK, *[str(model)] * number, "--strategy", "trimmed_mean",
                               "--out", str(tmp_path / f"of{number}")], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
    assert size * 36 > 900 and peaks[1] - peaks[0] < 60, peaks


@pytest.mark.parametrize("number, code", [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130)])
def test_what_is_broken_off_leaves_no_folder_and_what_a_kill_leaves_goes_with_the_next(tmp_path, number, code):
    model, half = large(tmp_path), tmp_path / ".out.half" / "model" / "model.safetensors"
    words = [sys.executable, ROOT / "merge.py", *[str(model)] * 24, "--strategy", "median", "--out",
             str(tmp_path / "out")]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    while not half.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.001)
    process.send_signal(number)
    assert process.wait(60) == code, process.stderr.read()
    assert not (tmp_path / "out").exists() and half.parent.exists() == (number == signal.SIGKILL)
    done = typed(tmp_path, "merge.py", model, model, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "float32"
    assert not half.parent.parent.exists()
