"""Evaluation sets as files, and of other tasks: two of each are in the record of a whole run, beside its own.

Their metrics are compared with those of the saved model, computed by plain transformers one row at a time.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from preprocess.common import load
from preprocess.rte import SPEC
from tests.conftest import copied_tree
from tests.processes import outcome_of
from tests.tiny import tiny_once
from tests.toy import toy_rows
from utils.data.evaluation import TAKEN
from utils.data.evaluation_sets import HEADLINE, HELD_OUT
from utils.data.table import open_table, write_table

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
OOD = ["mnli-dev_mismatched-slate", "wnli"]
RUN = "--track tensorboard --ood_data mnli:dev_mismatched@slate,wnli"
ROWS = {"train": toy_rows(60, 1), "dev": toy_rows(24, 2), "test": toy_rows(18, 3)}  # "dev" is tested on


def foreign_rows(task: str, n: int, seed: int) -> list[dict]:
    """Return toy rows in the words and labels of another task: 0 is entailment in MNLI, 1 in WNLI."""
    names = load(task).SPEC.text
    return [dict(zip(names, (row["sentence1"], row["sentence2"]))) | {
        "label": 1 - row["label"] if task == "wnli" else row["label"] * (1 + k % 4 // 2),
        "domain": ("slate", "travel")[k % 3 == 0] if task == "mnli" else "all"}
            for k, row in enumerate(toy_rows(n, seed))]


FOREIGN = {"mnli": {"train": foreign_rows("mnli", 4, 5), "dev_matched": foreign_rows("mnli", 4, 6),
                    "dev_mismatched": foreign_rows("mnli", 30, 7)},
           "wnli": {"train": foreign_rows("wnli", 4, 8),  # five rows that are trained on, and 17 others
                    "dev": foreign_rows("wnli", 5, 1) + foreign_rows("wnli", 17, 9)}}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with two more sets, a table of three splits and a tiny model; and start(name, flags)."""
    folder = copied_tree(tmp_path_factory.mktemp("sets"))
    (folder / SETS / "long.py").write_text(LONG)
    (folder / SETS / "a_split_of_its_own.py").write_text(ELSEWHERE)
    write_table(folder / "data" / "rte", SPEC, ROWS, "toy")
    for task, rows in FOREIGN.items():
        write_table(folder / "data" / task, load(task).SPEC, rows, "toy")
    bert = tiny_once(folder, "bert")

    def start(name: str, flags: str = "") -> subprocess.CompletedProcess:
        words = (f"main_lm.py --data rte --model {bert} --run_dir log/{name} --max_length 32 --lr 1e-3 --seed 4 "
                 f"--precision fp32 --fp32_products torch --n_iterations 1 --val_ratio 0.2 {flags}")
        return outcome_of([sys.executable, *words.split()], cwd=folder)

    return folder, start


@pytest.fixture(scope="module")
def run(project):
    """The folder of a finished run, and its lines on stdout."""
    folder, start = project
    done = start("run", f"{RUN} --diagnose 1")
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "log" / "run", done.stdout.splitlines()


def chosen(name: str) -> dict[str, list[dict]]:
    """Return the rows of each domain of an added set, by its definition."""
    if name == "long":
        slices = {f"slice{k + 1}": ROWS["dev"][8 * k:8 * k + 8] for k in range(3)}
        return {domain: [row for row in rows if len(row["sentence1"]) >= 20] for domain, rows in slices.items()}
    if name == "wnli":
        return {"all": [{**row, "label": 1 - row["label"]} for row in FOREIGN["wnli"]["dev"][5:]]}
    if name == "mnli-dev_mismatched-slate":
        return {"slate": [{"sentence1": row["premise"], "sentence2": row["hypothesis"], "label": min(row["label"], 1)}
                          for row in FOREIGN["mnli"]["dev_mismatched"] if row["domain"] == "slate"]}
    return {"odd": ROWS["test"][1::2], "even": ROWS["test"][0::2]}


@pytest.mark.parametrize("name", [*ORDER[2:], *OOD])
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
        [f"round={k}", f"split={name}"] for k in (0, 1) for name in ORDER + OOD]
    assert lines[-1].startswith("summary data=rte ") and " rows=24 " in lines[-1]
    assert config["evaluation_sets"] == ORDER + OOD and (HEADLINE, HELD_OUT) == ("test", "val")
    assert set(config["rows_cut"]) == {"train", "test", "split test", "mnli:dev_mismatched", "wnli:dev"}
    tables = {task: open_table(folder.parents[1] / "data" / task, load(task).SPEC) for task in FOREIGN}
    assert config["ood"] == {name: {"task": task, "split": split, "rows": rows, "source": "toy",
                                    "fingerprint": tables[task].fingerprint} for name, task, split, rows in (
        (OOD[0], "mnli", "dev_mismatched", 20), (OOD[1], "wnli", "dev", 17))}
    assert list(config["overlap"]) == [*config["sets"]] == ORDER + OOD
    assert [name for name, facts in config["sets"].items() if facts["out_of_domain"]] == OOD
    assert len({facts["rows_fingerprint"] for facts in config["sets"].values()}) == len(ORDER + OOD)
    assert {**config["overlap"]["wnli"], "fields": 0} == {"rows": 22, "training_rows": 5, "fields": 0, "dropped": 5}
    for one in (*records, summary, summary["best"]):
        assert [name for name in one if name in ORDER + OOD] == ORDER + OOD
    assert summary["test"]["rows"] == 24 and summary["long"] == records[1]["long"]
    assert list(summary["majority_of"]) == ORDER[1:] + OOD
    commonest = summary["majority_of"]["a_split_of_its_own"]["domains"]
    assert {commonest[domain]["accuracy"] for domain in ("odd", "even")} == {0.0, 1.0}  # labels go by turns


def test_a_round_says_what_its_mean_gains_on_the_held_out_rows(run):
    first, last = map(json.loads, (run[0] / "rounds.jsonl").read_text().splitlines())
    found, losses = last["diagnosis"], np.array(last["diagnosis"]["losses"])
    assert "diagnosis" not in first and "diagnose" not in first["seconds"] and last["seconds"]["diagnose"] > 0
    assert found["mean_loss"] == last["val"]["loss"]  # plain averaging's result is that mean, on the same rows
    assert found["jensen_gap"] == pytest.approx(losses.mean() - found["mean_loss"], abs=1e-12)  # shards are equal
    assert len(set(losses)) == 3 and [each["clients"] for each in found["barriers"]] == [[0, 1], [0, 2], [1, 2]]
    norms, cosines = np.array(found["norms"]), np.array(found["cosines"])
    step = norms @ cosines @ norms / 9  # of the mean of three updates, squared
    assert last["step"]["norm"] == pytest.approx(np.sqrt(step), rel=1e-4)
    drifts = [client["drift"] ** 2 for client in last["clients"]]
    assert sum(drifts) / 3 == pytest.approx((norms ** 2).mean() - step, rel=1e-4)


def test_trackers_and_the_card_have_every_set(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = run[0]
    summary = json.loads((folder / "summary.json").read_text())
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    for name in ORDER + OOD:
        assert events.Scalars(f"{name}/accuracy")[1].value == pytest.approx(summary[name]["accuracy"])
    assert len(events.Scalars("a_split_of_its_own/odd/loss")) == 2
    card = ModelCard.load(folder / "model" / "README.md")
    found = {each.metric_name: (each.dataset_split, each.metric_value) for each in card.data.eval_results}
    assert {each.metric_name: each.dataset_name for each in card.data.eval_results}["accuracy (wnli)"] == "wnli"
    names = ("validation", "train", "test", "validation", "validation_mismatched", "validation")
    splits = dict(zip(ORDER + OOD, names))  # as the hub calls them
    assert card.data.eval_results[0].metric_name == "accuracy"
    assert {name: found["accuracy" + f" ({name})" * (name != "test")] for name in ORDER + OOD} == {
        name: (splits[name], summary[name]["accuracy"]) for name in ORDER + OOD}
    assert found["accuracy (long, slice2)"][1] == summary["long"]["domains"]["slice2"]["accuracy"]
    for name in ORDER[1:] + OOD:
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
    assert used - set(ORDER + OOD) == TAKEN - others and others <= TAKEN


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
        done = start("run", f"{RUN} --resume")
    finally:
        (folder / "long.py").rename(folder / SETS / "long.py")
        (run[0] / "away").rename(run[0] / "summary.json")
    assert done.returncode == 2
    assert ("was evaluated on test, val, a_split_of_its_own, long, mnli-dev_mismatched-slate, wnli, and would be on "
            "test, val, a_split_of_its_own, mnli-dev_mismatched-slate, wnli now" in done.stderr.splitlines()[-1])


def test_a_run_goes_on_with_the_rows_of_other_tasks_that_it_began_with(project, run):
    folder, start = project
    (run[0] / "summary.json").rename(run[0] / "away")
    write_table(folder / "data" / "wnli", load("wnli").SPEC, FOREIGN["wnli"] | {"dev": foreign_rows("wnli", 17, 1)}, "")
    try:
        done = start("run", f"{RUN} --resume")
    finally:
        (run[0] / "away").rename(run[0] / "summary.json")
    assert done.returncode == 2 and "was made with other rows of wnli than" in done.stderr.splitlines()[-1]
