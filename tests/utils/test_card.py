"""The model's card, read back as the hub reads it."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from preprocess import cola
from tests.conftest import ROOT
from tests.tiny import tiny_once
from tests.toy import toy_table
from utils.card import write_card
from utils.config import RunConfig

FIGURES = {"matthews": 0.25, "accuracy": 0.5}
SUMMARY = {"rows_trained": 60, "majority": {"matthews": 0.0, "accuracy": 0.75, "loss": 1.0},
           "test": {"rows": 24, "loss": 0.7, **FIGURES,
                    "domains": {name: {"rows": 12, "loss": 0.7, **FIGURES} for name in ("a|b", "c: d")}}}
CONFIG = RunConfig(data="cola", lang_mix=0.0, n_iterations=2, frac_fit=0.5)


def card(tmp_path, config=CONFIG, summary=SUMMARY, text_to_text=False) -> ModelCard:
    write_card(tmp_path, config, cola.SPEC, summary, text_to_text, n_clients=3)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["README.md"]
    return ModelCard.load(tmp_path / "README.md")


def test_the_hub_reads_the_card_back(tmp_path):
    data = card(tmp_path).data
    assert data.base_model == "sentence-transformers/all-MiniLM-L6-v2" and data.library_name == "transformers"
    assert data.pipeline_tag == "text-classification" and data.metrics == ["matthews_correlation", "accuracy"]
    found = {(each.dataset_config, each.metric_type): each.metric_value for each in data.eval_results}
    assert found == {(domain, metric): value for domain in (None, "a|b", "c: d")
                     for metric, value in (("matthews_correlation", 0.25), ("accuracy", 0.5))}
    assert {each.dataset_split for each in data.eval_results} == {"dev"}
    assert card(tmp_path, text_to_text=True).data.pipeline_tag is None


def test_the_card_tells_the_task_the_averaging_the_metrics_the_flags_and_whom_to_cite(tmp_path):
    text = card(tmp_path).text
    for piece in ("`unacceptable`, `acceptable`", "3 client(s)", "a part of 0.5 is drawn", "weighted by their rows",
                  "| majority class | 0.0000 | 0.7500 |", "| a\\|b | 0.2500 | 0.5000 |", "\n--lang_mix 0.0\n",
                  "\n--seed 0\n", "Parameter Averaging Laws", "Multilingual Federated", cola.SPEC.citation):
        assert piece in text
    other = card(tmp_path, replace(CONFIG, partitioner="dirichlet", alpha=0.1, strategy="fedadam")).text
    assert "by the partitioner dirichlet (alpha 0.1)" in other and "lang_mix 0;" not in other
    assert "the model is what the server optimizer fedadam makes of the mean of" in other
    assert "one client holds all rows" in card(tmp_path, replace(CONFIG, centralized=True)).text
    assert "only evaluated" in card(tmp_path, replace(CONFIG, n_iterations=0)).text
    best = card(tmp_path, summary=SUMMARY | {"best": {"round": 1}}).text
    assert "best on held-out rows was that after round 1" in best


def test_no_path_of_the_machine_goes_into_the_card(tmp_path):
    (tmp_path / "secret" / "mine").mkdir(parents=True)
    local = str(tmp_path / "secret" / "mine")
    for changes in ({"model": local}, {"load_model": local}):
        made = card(tmp_path, replace(CONFIG, data_dir=local, run_dir=local, source=local, **changes))
        assert "secret" not in str(made) and "`mine`" in made.text and made.data.base_model is None
    assert card(tmp_path, replace(CONFIG, random_init=True)).data.base_model is None


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A function that runs main_lm.py as a user would; and the folder of its runs."""
    base = tmp_path_factory.mktemp("card")
    toy_table(base / "data")
    bert = tiny_once(base, "bert")

    def start(name: str, flags: str) -> subprocess.CompletedProcess:
        flags = (f"--data rte --max_length 32 --lr 1e-3 --precision fp32 --data_dir {base}/data "
                 f"--run_dir {base}/{name} {flags.format(base=base, bert=bert)}")
        return subprocess.run([sys.executable, "main_lm.py", *flags.split()], cwd=ROOT, text=True, capture_output=True,
                              env={**os.environ, "HF_HUB_OFFLINE": "1"}, timeout=300)
    return start, base


def test_a_run_s_model_can_be_evaluated_later(run):
    start, base = run
    done = start("first", "--model {bert} --n_iterations 1")
    assert done.returncode == 0, done.stderr
    summary = json.loads((base / "first" / "summary.json").read_text())
    results = ModelCard.load(base / "first" / "model" / "README.md").data.eval_results
    assert results[0].metric_value == summary["test"]["accuracy"]
    evaluated = start("second", "--load_model {base}/first --n_iterations 0")
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads((base / "second" / "summary.json").read_text())["test"] == summary["test"]
