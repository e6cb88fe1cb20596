"""Evaluation sets as files: two that are added to a copy of the project are in a whole run's record, beside its own.

Their metrics are compared with those of the saved model, computed by plain transformers one row at a time.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from preprocess.rte import SPEC
from tests.conftest import copied_tree
from tests.tiny import tiny_once
from tests.toy import toy_rows
from utils.data.evaluation import TAKEN
from utils.data.evaluation_sets import HEADLINE, HELD_OUT
from utils.data.table import write_table

SETS = "utils/data/evaluation_sets"
LONG = """
import numpy as np
from utils.data.partition import Domains

def rows(config, table, plan):
    lengths = np.array([len(text) for text in table.split("dev")["sentence1"].to_pylist()])
    return "dev", Domains(plan.test.names, tuple(each[lengths[each] >= 20] for each in plan.test.rows))
"""
ELSEWHERE = """
import numpy as np
from utils.data.partition import Domains

def rows(config, table, plan):
    return "test", Domains(("odd", "even"), (np.arange(1, 18, 2), np.arange(0, 18, 2)))
"""
ORDER = ["test", "val", "a_split_of_its_own", "long"]
ROWS = {"train": toy_rows(60, 1), "dev": toy_rows(24, 2), "test": toy_rows(18, 3)}  # "dev" is tested on


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with two more sets, a table of three splits and a tiny model; and start(name, flags)."""
    folder = copied_tree(tmp_path_factory.mktemp("sets"))
    (folder / SETS / "long.py").write_text(LONG)
    (folder / SETS / "a_split_of_its_own.py").write_text(ELSEWHERE)
    write_table(folder / "data" / "rte", SPEC, ROWS, "toy")
    bert = tiny_once(folder, "bert")

    def start(name: str, flags: str = "") -> subprocess.CompletedProcess:
        words = (f"main_lm.py --data rte --model {bert} --run_dir log/{name} --max_length 32 --lr 1e-3 --seed 4 "
                 f"--precision fp32 --fp32_products torch --n_iterations 1 --val_ratio 0.2 {flags}")
        return subprocess.run([sys.executable, *words.split()], cwd=folder, text=True, capture_output=True,
                              env={**os.environ, "HF_HUB_OFFLINE": "1"}, timeout=300)

    return folder, start


@pytest.fixture(scope="module")
def run(project):
    """The folder of a finished run, and its lines on stdout."""
    folder, start = project
    done = start("run", "--track tensorboard")
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "log" / "run", done.stdout.splitlines()


def chosen(name: str) -> dict[str, list[dict]]:
    """Return the rows of each domain of an added set, by its definition."""
    if name == "long":
        slices = {f"slice{k + 1}": ROWS["dev"][8 * k:8 * k + 8] for k in range(3)}
        return {domain: [row for row in rows if len(row["sentence1"]) >= 20] for domain, rows in slices.items()}
    return {"odd": ROWS["test"][1::2], "even": ROWS["test"][0::2]}


@pytest.mark.parametrize("name", ORDER[2:])
def test_a_sets_metrics_are_those_of_the_saved_model(run, name):
    folder = run[0]
    result, domains = json.loads((folder / "summary.json").read_text())[name], chosen(name)
    model = AutoModelForSequenceClassification.from_pretrained(folder / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    accuracies, losses = [], []
    for rows in domains.values():
        with torch.no_grad():
            logits = torch.cat([model(**tokenizer(row["sentence1"], row["sentence2"], return_tensors="pt")).logits
                                for row in rows])
        labels = torch.tensor([row["label"] for row in rows])
        accuracies.append((logits.argmax(-1) == labels).double().mean().item())
        losses.append(torch.nn.functional.cross_entropy(logits, labels).item())
    assert list(result["domains"]) == list(domains)
    assert [each["rows"] for each in result["domains"].values()] == list(map(len, domains.values()))
    assert result["rows"] == sum(map(len, domains.values())) > 4
    assert [each["accuracy"] for each in result["domains"].values()] == pytest.approx(accuracies)
    assert result["accuracy"] == pytest.approx(np.mean(accuracies))
    assert result["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_every_consumer_has_every_set_the_headline_first(run):
    folder, lines = run
    config, summary = (json.loads((folder / name).read_text()) for name in ("config.json", "summary.json"))
    records = list(map(json.loads, (folder / "rounds.jsonl").read_text().splitlines()))
    assert [line.split()[:2] for line in lines[:-1]] == [
        [f"round={k}", f"split={name}"] for k in (0, 1) for name in ORDER]
    assert lines[-1].startswith("summary data=rte ") and " rows=24 " in lines[-1]
    assert config["evaluation_sets"] == ORDER and (HEADLINE, HELD_OUT) == ("test", "val")
    assert set(config["rows_cut"]) == {"train", "test", "split test"}  # of "dev" is "test"
    for one in (*records, summary, summary["best"]):
        assert [name for name in one if name in ORDER] == ORDER
    assert summary["test"]["rows"] == 24 and summary["long"] == records[1]["long"]
    assert list(summary["majority_of"]) == ORDER[1:]
    commonest = summary["majority_of"]["a_split_of_its_own"]["domains"]
    assert {commonest[domain]["accuracy"] for domain in ("odd", "even")} == {0.0, 1.0}  # labels go by turns


def test_trackers_and_the_card_have_every_set(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = run[0]
    summary = json.loads((folder / "summary.json").read_text())
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    for name in ORDER:
        assert events.Scalars(f"{name}/accuracy")[1].value == pytest.approx(summary[name]["accuracy"])
    assert len(events.Scalars("a_split_of_its_own/odd/loss")) == 2
    card = ModelCard.load(folder / "model" / "README.md")
    found = {each.metric_name: (each.dataset_split, each.metric_value) for each in card.data.eval_results}
    splits = dict(zip(ORDER, ("validation", "train", "test", "validation")))  # as the hub calls them
    assert card.data.eval_results[0].metric_name == "accuracy"
    assert {name: found["accuracy" + f" ({name})" * (name != "test")] for name in ORDER} == {
        name: (splits[name], summary[name]["accuracy"]) for name in ORDER}
    assert found["accuracy (long, slice2)"][1] == summary["long"]["domains"]["slice2"]["accuracy"]
    for name in ORDER[1:]:
        assert f"\n\nOn `{name}`:\n\n| | accuracy |" in card.text


def test_no_set_can_have_a_name_that_a_record_or_a_tracker_has_other_uses_for(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = run[0]
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    records = map(json.loads, (folder / "rounds.jsonl").read_text().splitlines())
    used = {key for each in (*records, json.loads((folder / "summary.json").read_text())) for key in each}
    used |= {tag.partition("/")[0] for tag in events.Tags()["scalars"]}
    others = {"failed", "part"}  # of a round without some of its clients, and of a worker's answer
    assert used - set(ORDER) == TAKEN - others and others <= TAKEN


def test_test_n_cuts_every_set_and_what_is_then_empty_is_left_out(project):
    """Of the four rows of the second slice that are tested, none is long."""
    folder, start = project
    (folder / SETS / "none.py").write_text(LONG.replace(">= 20", "< 0"))
    try:
        done = start("cut", "--test 4 --n_iterations 0 --random_init")
    finally:
        (folder / SETS / "none.py").unlink()
    assert done.returncode == 0, done.stderr[-2000:]
    config, summary = (json.loads((folder / "log" / "cut" / name).read_text())
                       for name in ("config.json", "summary.json"))
    assert config["evaluation_sets"] == ORDER
    assert {name: summary[name]["rows"] for name in ORDER[:3]} == {"test": 12, "val": 3, "a_split_of_its_own": 8}
    assert list(summary["long"]["domains"]) == ["slice1", "slice3"]


@pytest.mark.parametrize("name, text, message", [
    ("train", LONG, f"{SETS}/train.py: a record has something else of this name"),
    ("far", LONG.replace('return "dev"', 'return "moon"'), "no split 'moon'; it has train, dev, test"),
])
def test_a_set_that_cannot_be_is_one_line(project, name, text, message):
    folder, start = project
    (folder / SETS / f"{name}.py").write_text(text)
    try:
        done = start(name)
    finally:
        (folder / SETS / f"{name}.py").unlink()
    assert done.returncode == 2 and message in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    assert not (folder / "log" / name).exists()


def test_a_run_goes_on_with_the_sets_it_began_with(project, run):
    folder, start = project
    (run[0] / "summary.json").rename(run[0] / "away")
    (folder / SETS / "long.py").rename(folder / "long.py")
    try:
        done = start("run", "--resume")
    finally:
        (folder / "long.py").rename(folder / SETS / "long.py")
        (run[0] / "away").rename(run[0] / "summary.json")
    assert done.returncode == 2
    assert ("was evaluated on test, val, a_split_of_its_own, long, and would be on test, val, a_split_of_its_own now"
            in done.stderr.splitlines()[-1])
