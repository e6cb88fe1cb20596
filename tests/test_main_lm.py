"""The whole command line on real Ray and Flower: every run is a process of its own, as a user's would be.

The runs are started together, two at a time, and each test looks at what some of them left.
"""

import importlib.metadata
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.loading import loaded
from tests.processes import begun, finish, outcome_of
from tests.tiny import tiny_once
from tests.toy import toy_rows, toy_table
from utils.model.pretraining import CARD, ENTRIES

PRETRAINING = {name: kind() for name, (kind, _) in ENTRIES.items()} | {"tokens": 1000, "objective": "mlm"}
COMMON = "--data rte --max_length 32 --batch_size 8 --lr 1e-3 --precision fp32 --fp32_products torch --seed 4"
RUNS = {  # name: flags
    "noniid": "--model {bert} --n_iterations 2 --n_workers 2",
    "noniid-again": "--model {bert} --n_iterations 2 --n_workers 1 --transport message",
    "other-seed": "--model {bert} --n_iterations 1 --seed 5 --precision bf16",
    "centralized": "--model {bert} --n_iterations 2 --centralized --optimizer_state keep --strategy nesterov",
    "one-client": "--model {bert} --n_iterations 2 --n_clients 1 --lang_mix 0.3 --optimizer_state keep --n_workers 2 "
                  "--strategy nesterov",
    "partial": "--model {t5} --n_iterations 3 --frac_fit 0.4 --val_ratio 0.2 --skip_evalnum 2 --n_clients 5",
    "diverging-client": "--model {bert} --n_iterations 2 --lr 1e30 --batch_size 2",
    "diverging-mean": "--model {bert} --n_iterations 2 --lr 1e15 --batch_size 60 --centralized",
}


def command_line(words: list[str], **pipes) -> subprocess.CompletedProcess:
    """Run main_lm.py as a user would, from the repository; the result has the process's `pid` too."""
    process = begun([sys.executable, "main_lm.py", *words], **pipes)
    done = finish(process)
    done.pid = process.pid
    return done


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return {name: (finished process, run folder)}."""
    base = tmp_path_factory.mktemp("runs")
    toy_table(base / "data")
    folders = {family: tiny_once(base, family) for family in ("bert", "t5")}
    (folders["bert"] / CARD).write_text(json.dumps(PRETRAINING))

    def start(name):
        flags = f"{COMMON} {RUNS[name].format(**folders)} --data_dir {base / 'data'} --run_dir {base / name}"
        return command_line(flags.split()), base / name

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(RUNS, pool.map(start, RUNS)))


def summary(runs, name):
    done, folder = runs[name]
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / "summary.json").read_text())


def rounds(runs, name):
    return [json.loads(line) for line in (runs[name][1] / "rounds.jsonl").read_text().splitlines()]


def weights(runs, name):
    summary(runs, name)
    return load_file(runs[name][1] / "model" / "model.safetensors")


def same_bits(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_the_number_of_workers_and_the_transport_change_no_bit(runs):
    assert same_bits(weights(runs, "noniid"), weights(runs, "noniid-again"))
    assert summary(runs, "noniid")["test"] == summary(runs, "noniid-again")["test"]
    assert not same_bits(weights(runs, "noniid"), weights(runs, "other-seed"))


def test_standard_fine_tuning_is_parameter_averaging_with_one_client(runs):
    assert same_bits(weights(runs, "centralized"), weights(runs, "one-client"))
    assert summary(runs, "centralized")["rows_trained"] == 2 * 60


def test_stdout_has_one_line_per_evaluation_and_a_summary(runs):
    lines = runs["noniid"][0].stdout.splitlines()
    names = json.loads((runs["noniid"][1] / "config.json").read_text())["evaluation_sets"]
    assert names[0] == "test" and "val" not in names
    assert [line.split()[:2] for line in lines[:-1]] == [
        [f"round={k}", f"split={name}"] for k in range(3) for name in names]
    assert lines[-1].startswith("summary ")
    fields = dict(field.split("=", 1) for field in lines[2 * len(names)].split())
    assert list(fields) == ["round", "split", "rows", "loss", "accuracy", "pooled_accuracy", "accuracy[slice1]",
                            "accuracy[slice2]", "accuracy[slice3]"]
    assert float(fields["accuracy"]) == pytest.approx(summary(runs, "noniid")["test"]["accuracy"], abs=1e-4)
    closing = dict(field.split("=", 1) for field in lines[-1].split()[1:])
    assert closing["method"] == "noniid" and closing["run"] == str(runs["noniid"][1])


def test_the_record_tells_the_run(runs):
    config = json.loads((runs["partial"][1] / "config.json").read_text())
    assert config["flags"]["frac_fit"] == 0.4 and config["versions"]["flwr"] == importlib.metadata.version("flwr")
    assert len(config["data_fingerprint"]) == 64 and len(config["shards"]) == 5
    assert config["pretraining"] is None
    of_card = json.loads((runs["noniid"][1] / "config.json").read_text())["pretraining"]
    assert of_card == PRETRAINING
    assert "in miniature by mlm: 1,000 tokens" in (runs["noniid"][1] / "model" / "README.md").read_text()
    records = rounds(runs, "partial")
    assert [record["round"] for record in records] == [0, 1, 2, 3]
    assert [len(record["participants"]) for record in records] == [0, 2, 2, 2]
    assert ["test" in record for record in records] == [True, False, True, True]  # --skip_evalnum 2, and the last
    assert all(record["val"]["rows"] == 10 for record in records if "val" in record)
    assert all(record["seconds"]["train"] > 0 for record in records[1:])


def test_with_held_out_rows_the_best_round_is_kept_and_named(runs):
    best, records = summary(runs, "partial")["best"], rounds(runs, "partial")
    scores = [(record["val"]["accuracy"], -record["round"]) for record in records if "val" in record]
    assert best["round"] == -max(scores)[1]
    assert (runs["partial"][1] / "best_model" / "model.safetensors").exists()
    assert f"best_round={best['round']}" in runs["partial"][0].stdout


@pytest.mark.parametrize("name", ["noniid", "partial"])
def test_the_kept_predictions_give_the_records_metrics(runs, name):
    import pyarrow.parquet as pq

    result = summary(runs, name)
    expected = {(result["rounds"], each): result[each] for each in ("test", "val") if each in result}
    if "best" in result:
        expected |= {(result["best"]["round"], each): result["best"][each] for each in ("test", "val")}
    table = pq.read_table(runs[name][1] / "predictions.parquet").to_pydict()
    found = {key: np.array(values) for key, values in table.items()}
    assert {*zip(found["round"].tolist(), found["set"].tolist())} == expected.keys()
    hits = found["label"] == found["prediction"]
    tolerance = 1e-6 if name == "noniid" else 0.05  # T5's rows have several terms, and count by them
    for (number, each), whole in expected.items():
        here = (found["round"] == number) & (found["set"] == each)
        assert hits[here].mean() == whole["pooled"]["accuracy"]
        assert found["loss"][here].mean() == pytest.approx(whole["pooled"]["loss"], rel=tolerance)
        for domain, part in whole["domains"].items():
            mine = here & (found["domain"] == domain)
            assert mine.sum() == part["rows"] and hits[mine].mean() == part["accuracy"]
            assert found["loss"][mine].mean() == pytest.approx(part["loss"], rel=tolerance)
            assert (np.diff(found["row"][mine]) > 0).all()


@pytest.mark.parametrize("name", ["noniid", "other-seed"])
def test_the_saved_model_gives_the_summarys_metrics_elsewhere(runs, name):
    """Plain transformers, one row at a time, no part of this project; also after training in bf16."""
    result, folder = summary(runs, name)["test"], runs[name][1] / "model"
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = toy_rows(24, 2)
    with torch.no_grad():
        logits = torch.cat([model(**tokenizer(row["sentence1"], row["sentence2"], return_tensors="pt")).logits
                            for row in rows])
    labels = torch.tensor([row["label"] for row in rows])
    hits = (logits.argmax(-1) == labels).double().view(3, 8).mean(1)
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none").view(3, 8).mean(1)
    assert hits.tolist() == [domain["accuracy"] for domain in result["domains"].values()]
    assert losses.mean().item() == pytest.approx(result["loss"], rel=1e-5)
    assert model.config.id2label == {0: "entailment", 1: "not_entailment"}


def test_a_round_is_the_weighted_mean_of_its_clients(runs, tmp_path):
    """Each client's update is made again on its own, without Ray, and averaged by hand."""
    from clients.job import Job
    from clients.worker import Worker
    from preprocess.common import load
    from utils.config import RunConfig

    done, folder = runs["other-seed"]
    flags = json.loads((folder / "config.json").read_text())["flags"]
    config = RunConfig(**flags)
    (tmp_path / "model").symlink_to(folder / "model")
    worker = Worker(Job(config, load("rte").SPEC, str(tmp_path), str(folder)))
    final = _load(worker, folder / "model").numpy()
    start = _load(worker, Path(flags["model"]), seed=config.seed).numpy()
    total, rows = np.zeros(final.size, np.float64), 0
    for client in range(3):
        n = worker.fit([start], 1, client)["rows"]
        total, rows = total + n * worker.vector.numpy().astype(np.float64), rows + n
    assert rows == 60
    assert np.array_equal((total / rows).astype(np.float32), final)


def _load(worker, folder, seed=0):
    from utils.vectors.parameters import ParameterVector

    model, _ = loaded(folder, worker.job.spec, seed=seed, max_length=32)
    return ParameterVector(model)


@pytest.mark.parametrize("name, reason", [("diverging-client", "round 1: 0 of 3 clients succeeded"),
                                          ("diverging-mean", "no finite number on some test rows")])
def test_a_failed_round_ends_the_run_with_3_and_its_reason(runs, name, reason):
    """A client whose loss overflows, and one whose last update leaves finite weights that overflow when tested."""
    done, folder = runs[name]
    assert done.returncode == 3
    assert reason in done.stderr.splitlines()[-1] and "--lr" in done.stderr.splitlines()[-1]
    assert not (folder / "summary.json").exists() and [record["round"] for record in rounds(runs, name)] == [0]


def test_nothing_is_left_in_shared_memory(runs):
    for done, _ in runs.values():
        left = [base for base in ("/dev/shm", tempfile.gettempdir())
                if list(Path(base).glob(f"averaging-{done.pid}-*"))]
        assert not left


def test_a_closed_stdout_is_no_traceback(tmp_path):
    closed = outcome_of(["bash", "-c", f"{sys.executable} main_lm.py --data x >&-"])
    assert closed.returncode == 2 and closed.stderr.count("\n") == 1


@pytest.mark.parametrize("words, message", [
    ("--data cola --source nowhere", "--source nowhere: no such"),
    ("--data rte --model no/such-model", "--model no/such-model"),
    ("--data rte --n_gpus 64", "--n_gpus 64: this machine has"),
    ("--data rte --n_cpu 4096", "--n_cpu 4096: this machine has"),
    ("--data rte --run_dir {data}", "already holds files"),
    ("--data rte --test_split moon", "--test_split moon: rte can be tested on dev"),
    ("--data rte --test_split train", "--test_split train: rte can be tested on dev"),
])
def test_wrong_input_is_one_line_and_exit_code_2(words, message, tmp_path):
    toy_table(tmp_path / "data", 12, 6)
    words = f"--model {tiny_once(tmp_path, 'bert')} --data_dir {tmp_path / 'data'} {words}"
    done = command_line(words.format(data=tmp_path / "data").split())
    assert done.returncode == 2 and not done.stdout
    assert message in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr


def test_help_answers_at_once():
    """Help imports nothing heavy: no torch, no transformers, no Ray; NumPy is what strategies are written in."""
    code = "import sys, main_lm\ntry: main_lm.main(['--help'])\nexcept SystemExit: pass\n" \
           "print([name for name in ('torch', 'transformers', 'ray', 'flwr', 'datasets') if name in sys.modules])"
    done = outcome_of([sys.executable, "-c", code])
    assert done.stdout.splitlines()[-1] == "[]" and "--lang_mix" in done.stdout
