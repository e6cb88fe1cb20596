"""The model's card, read back as the hub reads it."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

import preprocess.common as preprocess
from preprocess import cola
from tests.processes import outcome_of
from tests.tiny import tiny_once
from tests.toy import toy_table
from utils.config import RunConfig
from utils.data.task import Origin
from utils.model.loading import resolve
from utils.record.card import Facts, license_of, write_card

FIGURES = {"matthews": 0.25, "accuracy": 0.5}
SUMMARY = {"rows_trained": 60, "majority": {"matthews": 0.0, "accuracy": 0.75, "loss": 1.0},
           "test": {"rows": 24, "loss": 0.7, **FIGURES, "pooled": {"loss": 0.7, **FIGURES},
                    "domains": {name: {"rows": 12, "loss": 0.7, **FIGURES} for name in ("a|b", "c: d")}}}
CONFIG = RunConfig(data="cola", lang_mix=0.0, n_iterations=2, frac_fit=0.5)


def card(tmp_path, config=CONFIG, summary=SUMMARY, spec=cola.SPEC, **facts) -> ModelCard:
    write_card(tmp_path, config, spec, summary, Facts(**{"n_clients": 3, "splits": {"test": "dev"}, **facts}))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["README.md"]
    return ModelCard.load(tmp_path / "README.md")


def test_the_hub_reads_the_card_back(tmp_path):
    data = card(tmp_path, license="apache-2.0", data_commit="d" * 40).data
    assert data.base_model == "sentence-transformers/all-MiniLM-L6-v2" and data.library_name == "transformers"
    assert data.pipeline_tag == "text-classification" and data.metrics == ["matthews_correlation", "accuracy"]
    assert data.datasets == ["nyu-mll/glue"] and data.language == ["en"] and data.license == "apache-2.0"
    found = {(each.metric_type, each.metric_name): each.metric_value for each in data.eval_results}
    assert found == {(kind, name + domain): FIGURES[name] for domain in ("", " (pooled)", " (a|b)", " (c: d)")
                     for kind, name in (("matthews_correlation", "matthews"), ("accuracy", "accuracy"))}
    assert {(each.dataset_type, each.dataset_config, each.dataset_split, each.dataset_revision)
            for each in data.eval_results} == {("nyu-mll/glue", "cola", "validation", "d" * 40)}
    assert card(tmp_path, text_to_text=True).data.pipeline_tag is None


def test_what_is_trained_is_said_where_it_is_not_all(tmp_path):
    asked = RunConfig.of(data="cola", train="lora", lora_r="4")
    text = card(tmp_path, asked, parameters=(10_000, 1_000_000)).text
    assert ("It has 1,000,000 parameters, and 10,000 were trained (`--train lora` (lora_r 4, lora_alpha 16, "
            "lora_dropout 0)): LoRA: low-rank products beside frozen matrices") in text
    assert "--train lora\n" in text and "--lora_r 4\n" in text and "were trained (" not in card(tmp_path).text


def test_every_evaluation_set_has_figures_and_a_table_the_headline_first(tmp_path):
    other = {"rows": 7, "loss": 0.9, "matthews": 0.125, "accuracy": 0.625, "domains": {
        "all": {"rows": 7, "loss": 0.9, "matthews": 0.125, "accuracy": 0.625}}}
    summary = SUMMARY | {"odd": other, "majority_of": {"odd": {"matthews": 0.0, "accuracy": 0.375}}}
    made = card(tmp_path, summary=summary, splits={"test": "dev", "odd": "train"})
    assert [(each.metric_name, each.dataset_split, each.metric_value) for each in made.data.eval_results[-2:]] == [
        ("matthews (odd)", "train", 0.125), ("accuracy (odd)", "train", 0.625)]
    assert made.data.eval_results[0].metric_name == "matthews" and len(made.data.eval_results) == 10
    table, more = made.text.split("## Metrics")[1].split("On `odd`:")
    assert "| majority class | 0.0000 | 0.7500 |\n| pooled | 0.2500 | 0.5000 |" in table and "pooled" not in more
    assert "| majority class | 0.0000 | 0.7500 |" in table and "| majority class | 0.0000 | 0.3750 |" in more
    assert "24 rows of the split `dev`, and on 7 rows of the split `train` (`odd`);" in made.text


def test_what_is_not_known_is_left_out(tmp_path):
    data = card(tmp_path, spec=replace(cola.SPEC, origin=Origin(languages=("de", "fr")))).data
    assert data.datasets is None and data.language == ["de", "fr"] and data.license is None
    assert {(each.dataset_type, each.dataset_config, each.dataset_split, each.dataset_revision)
            for each in data.eval_results} == {("cola", None, "dev", None)}


def test_every_task_says_where_the_hub_has_it_and_under_which_terms(tmp_path):
    for name in preprocess.task_names():
        module = preprocess.load(name)
        origin = module.SPEC.origin
        assert hasattr(module, "read_hub") is bool(origin.repo and origin.config), name
        text = card(tmp_path, replace(CONFIG, data=name), spec=module.SPEC).text
        assert f"Licence of the data, as publicly known: {origin.license or 'none is stated'}." in text
        assert not origin.repo or f"[`{origin.repo}`](https://huggingface.co/datasets/{origin.repo}), " in text
    assert len(preprocess.load("xnli").SPEC.origin.languages) == 15


def test_only_what_was_averaged_is_tagged_so(tmp_path):
    for changes, clients, averaged in (
            ({}, 3, True), ({"strategy": "fedadam"}, 3, True), ({"n_iterations": 0}, 3, False), ({}, 1, False),
            ({"centralized": True}, 1, False), ({"frac_fit": 0.3}, 3, False),
            ({"frac_fit": 1.0, "only_client": 2}, 1, False)):
        made = card(tmp_path, RunConfig.of(**{**CONFIG.flags(), **changes}), n_clients=clients)
        assert made.data.tags == ["parameter-averaging"] * averaged, changes


def test_the_licence_is_that_of_the_model_it_started_from(tmp_path):
    assert license_of(Path(resolve("minilm"))) == "apache-2.0"
    assert card(tmp_path, replace(CONFIG, random_init=True), license="mit").data.license is None
    folder = tmp_path / "model"
    folder.mkdir()
    for metadata, stated in (("license: mit", "mit"), ("tags: []", None), ("license: [a, b]", None), ("{ no", None)):
        (folder / "README.md").write_text(f"---\n{metadata}\n---\n# a\n")
        assert license_of(folder) == stated
    (folder / "README.md").write_text("---\nlicense: mit\n---\n" + "x" * 10**6)
    assert license_of(folder) is None and license_of(tmp_path / "none") is None
    (folder / "README.md").unlink()
    os.mkfifo(folder / "README.md")  # which would never end
    assert license_of(folder) is None


def test_the_card_has_the_task_the_averaging_the_metrics_the_flags_and_what_to_cite(tmp_path):
    text = card(tmp_path).text
    for piece in ("all-MiniLM-L6-v2`, fine-tuned on **cola**", "`unacceptable`, `acceptable`", "3 client(s)",
                  "configuration `cola`.", "a part of 0.5 is drawn", "weighted by their rows",
                  "| majority class | 0.0000 | 0.7500 |", "| a\\|b | 0.2500 | 0.5000 |", "\n--lang_mix 0.0\n",
                  "\n--seed 0\n", "Parameter Averaging Laws", "Multilingual Federated", cola.SPEC.citation):
        assert piece in text
    other = card(tmp_path, RunConfig.of(**{**CONFIG.flags(), "partitioner": "dirichlet", "alpha": 0.1,
                                               "strategy": "fedadam"})).text
    assert "by the partitioner dirichlet (alpha 0.1)" in other and "lang_mix 0;" not in other
    assert "strategy `fedadam` (server_lr 0.001) makes the next model of what is trained: m ← 0.9·m + 0.1·Δ;" in other
    assert "\n--server_lr 0.001\n--alpha 0.1\n" in other
    assert "one client holds all rows" in card(tmp_path, replace(CONFIG, centralized=True)).text
    large = card(tmp_path, replace(CONFIG, centralized=True, large_batch=True)).text
    assert "in each of 2 round(s). Each step takes the batches of all the clients that averaging would have. " in large
    alone = card(tmp_path, replace(CONFIG, frac_fit=1.0, only_client=2, lang_mix=0.5), n_clients=1).text
    assert ("One client alone (`only2-mix0.5`): of the shards that the rows are cut into with lang_mix 0.5, only that "
            "of client 2 is trained on, 1 local epoch(s)") in alone and "averaging (`" not in alone
    outer = card(tmp_path, RunConfig.of(**{**CONFIG.flags(), "centralized": True, "strategy": "nesterov"})).text
    assert "one client holds all rows" in outer and "strategy `nesterov` (server_lr 0.7, server_momentum 0.9)" in outer
    assert "average of its weights (`swa`), from 0.5 of" in card(tmp_path, replace(CONFIG, client_average="swa")).text
    evaluated = card(tmp_path, replace(CONFIG, n_iterations=0)).text
    assert "only evaluated" in evaluated and "`, evaluated on **cola**" in evaluated
    best = card(tmp_path, summary=SUMMARY | {"best": {"round": 1}}).text
    assert "best on held-out rows was that after round 1" in best


def test_the_card_names_the_commits_of_model_and_data(tmp_path):
    made = card(tmp_path, replace(CONFIG, model="tiny/bert@v1.0"), SUMMARY | {"model_commit": "a" * 40},
                data_commit="d" * 40)
    assert made.data.base_model == "tiny/bert" and made.data.model_name.startswith("cola-bert-")
    for piece in (f"`tiny/bert` (commit `{'a' * 40}`), fine-tuned", "\n--model tiny/bert@v1.0\n",
                  f"the rows are those of its commit `{'d' * 40}`."):
        assert piece in made.text


def test_no_path_of_the_machine_goes_into_the_card(tmp_path):
    (tmp_path / "secret" / "my@own").mkdir(parents=True)
    local = str(tmp_path / "secret" / "my@own")
    for changes in ({"model": local}, {"load_model": local}):
        made = card(tmp_path, replace(CONFIG, data_dir=local, run_dir=local, source=local, **changes))
        assert "secret" not in str(made) and "`my@own`" in made.text and made.data.base_model is None
    assert card(tmp_path, replace(CONFIG, random_init=True)).data.base_model is None


def test_a_model_s_first_layers_are_said_to_be_that(tmp_path):
    made = card(tmp_path, replace(CONFIG, layers=2), layers=6)
    assert made.text.startswith("\n# cola-all-MiniLM-L6-v2-layers2-noniid-partial0.5-seed0")
    assert "`sentence-transformers/all-MiniLM-L6-v2`, its first 2 of 6 layers, fine-tuned on **cola**" in made.text
    assert made.data.base_model == "sentence-transformers/all-MiniLM-L6-v2" and "--layers 2\n" in made.text


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A function that runs main_lm.py as a user would; and the folder of its runs."""
    base = tmp_path_factory.mktemp("card")
    toy_table(base / "data")
    bert = tiny_once(base, "bert")
    (bert / "README.md").write_text("---\nlicense: mit\n---\n")

    def start(name: str, flags: str) -> subprocess.CompletedProcess:
        flags = (f"--data rte --max_length 32 --lr 1e-3 --precision fp32 --fp32_products torch --data_dir {base}/data "
                 f"--run_dir {base}/{name} {flags.format(base=base, bert=bert)}")
        return outcome_of([sys.executable, "main_lm.py", *flags.split()])
    return start, base


def test_a_run_s_model_can_be_evaluated_later(run):
    start, base = run
    done = start("first", "--model {bert} --n_iterations 1")
    assert done.returncode == 0, done.stderr
    summary = json.loads((base / "first" / "summary.json").read_text())
    made = ModelCard.load(base / "first" / "model" / "README.md")
    assert made.data.eval_results[0].metric_value == summary["test"]["accuracy"]
    assert made.data.license == "mit" and made.data.datasets == ["nyu-mll/glue"]
    evaluated = start("second", "--load_model {base}/first --n_iterations 0")
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads((base / "second" / "summary.json").read_text())["test"] == summary["test"]
