"""The ready arms: each one's flags, whatever the study's and the command line's, and none that is another run."""

import preprocess.common as preprocess
from sweeps.arms import READY
from sweeps.study import read_study
from tests.toy import toy_table
from utils.config import RunConfig

STUDY = f"""
baselines = {list(READY)}
[common]
data = "rte"
data_dir = "DATA"
strategy = "fedprox"
mu = 0.5
frac_fit = 0.5
lr_schedule = "linear"
warmup_ratio = 0.1
epoch = 2
[grid]
lang_mix = [0.0, 0.99]
[methods.prox]
[methods.outer]
strategy = "nesterov"
server_lr = 0.5
mu = false
[methods.plain]
strategy = "averaging"
mu = false
lr_schedule = "constant"
"""


def arms(tmp_path, text=STUDY, *extra):
    """Return {name: configuration} of a study's runs."""
    toy_table(tmp_path / "data")
    (tmp_path / "study.toml").write_text(text.replace("DATA", str(tmp_path / "data")))
    study = read_study(tmp_path / "study.toml", tmp_path, extra, preprocess.task_names())
    return {run.name: run.config for run in study.runs()}


def test_each_arm_is_its_flags_on_top_of_the_study_s(tmp_path):
    found = arms(tmp_path, STUDY, "--n_iterations", "4")
    assert found["prox-lang_mix0.99"].frac_fit == 0.5 and found["plain-lang_mix0.0"].strategy == "averaging"
    whole = {name.removesuffix("-lang_mix0.0"): config for name, config in found.items() if config.centralized}
    assert {name: config.method for name, config in whole.items()} == {
        "centralized": "centralized", "centralized-linear": "centralized-linear-warmup0.1",
        "centralized-keep": "centralized-keep", "centralized-linear-keep": "centralized-linear-warmup0.1-keep",
        "centralized-swa": "centralized-linear-warmup0.1-client_swa",
        "centralized-ema": "centralized-linear-warmup0.1-client_ema",
        "centralized-large": "centralized-large-linear-warmup0.1",
        "centralized-outer": "centralized-nesterov0.5-linear-warmup0.1"}
    rounds = {name: (config.n_iterations, config.epoch) for name, config in whole.items()}
    assert rounds.pop("centralized-swa") == rounds.pop("centralized-ema") == (1, 8)  # one run of as many passes
    assert rounds.pop("centralized-outer") == (3, 2)  # 2 of 3 clients a round
    assert {*rounds.values()} == {(4, 2)}
    clients = {name: config for name, config in found.items() if config.only_client >= 0}
    assert [*clients] == [f"client{k}-lang_mix{mix}" for mix in (0.0, 0.99) for k in range(3)]
    assert clients["client2-lang_mix0.99"].method == "only2-iid-linear-warmup0.1"
    assert {(config.frac_fit, config.strategy) for config in clients.values()} == {(1.0, "averaging")}


def test_a_baseline_that_is_another_run_once_more_is_left_out(tmp_path):
    found = arms(tmp_path, "baselines = ['centralized', 'centralized-linear', 'centralized-optimizer']\n"
                           "[methods.mine]\ncentralized = true\n[methods.a]\nstrategy = 'nesterov'\n"
                           "[methods.b]\nstrategy = 'nesterov'\nlang_mix = 0.99\n")
    assert [*found] == ["mine", "a", "b", "centralized-linear", "centralized-a"]


def test_arms_are_as_they_are_called_where_the_studys_other_runs_are_not(tmp_path):
    found = arms(tmp_path, "baselines = ['centralized', 'centralized-linear', 'centralized-keep', 'centralized-swa']\n"
                           "[common]\noptimizer_state = 'keep'\nclient_average = 'ema'\nclient_average_from = 0.3\n",
                 "--lr_schedule", "linear")
    assert {name: config.method for name, config in found.items()} == {
        **{name: name for name in ("centralized", "centralized-linear", "centralized-keep")},
        "centralized-swa": "centralized-linear-client_swa0.3-keep"}


def test_a_method_without_averaging_is_tuned_as_the_method_is_and_has_its_budget(tmp_path):
    toy_table(tmp_path / "data")
    (tmp_path / "study.toml").write_text(f"""
baselines = ["centralized-linear", "centralized-optimizer"]
[common]
data = "rte"
data_dir = "{tmp_path / 'data'}"
val_ratio = 0.2
n_clients = 4
lang_mix = 0.99
frac_fit = 0.34
n_iterations = 8
[methods.outer]
strategy = "nesterov"
tune = {{server_lr = [0.5, 0.9], lang_mix = [0.0, 0.5]}}
[methods.other]
strategy = "ema"
[tune]
lr = [1e-4, 2e-4]
""")
    runs = read_study(tmp_path / "study.toml", tmp_path, [], preprocess.task_names()).runs()
    twin = [run for run in runs if run.cell == "centralized-outer"]
    assert [(run.value, run.config.strategy_flags.server_lr, run.config.n_iterations) for run in twin] == [
        ("server_lr0.5", 0.5, 2), ("server_lr0.9", 0.9, 2)]  # 1 of 4 clients a round
    assert {run.value for run in runs if run.cell in ("centralized-other", "centralized-linear")} == {
        "lr0.0001", "lr0.0002"}


def test_baselines_may_be_all_there_is(tmp_path):
    found = arms(tmp_path, "baselines = ['centralized']\n")
    assert [*found] == ["centralized"] and found["centralized"].method == RunConfig(centralized=True).method
