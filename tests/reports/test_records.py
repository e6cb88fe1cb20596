"""Sorting runs: what can be compared, and what a report names of the rest."""

import csv
import json

import pytest

from reports.csv_lines import csv_text
from reports.gain_tables import gain_table
from reports.gains import judge
from reports.records import read_records
from reports.scores import score_table
from tests.reports.toy_records import write_run, write_study
from utils.errors import UserError


@pytest.fixture
def runs(tmp_path):
    return write_study(tmp_path)


def test_a_repeated_run_is_refused(runs):
    write_run(runs / "more", "iid", 1, (0.2, 0.2))
    with pytest.raises(UserError, match="both iid with --seed 1"):
        read_records([runs])


def test_runs_that_are_no_repetitions_are_compared_apart(runs):
    """Those of another learning rate, with their own baseline if there is one; an older record has the defaults."""
    write_run(runs / "faster", "iid", 1, (0.2, 0.2), lr=1e-3, strategy="averaging")
    write_run(runs / "faster-central", "centralized", 1, (0.3, 0.3), lr=1e-3, batching="length")
    slow, fast = read_records([runs]).comparisons
    assert (slow.title, fast.title) == ("toy, m, lr 0.0001", "toy, m, lr 0.001")
    assert {name: len(some) for name, some in slow.methods.items()} == {"centralized": 2, "iid": 3}
    assert {name: len(some) for name, some in fast.methods.items()} == {"centralized": 1, "iid": 1}


def test_runs_from_before_plugins_had_flags_are_compared_with_those_of_today(runs):
    old, new = {"alpha": 0.5, "server_lr": 0.0}, {"server_lr": 0.001}
    write_run(runs / "old", "iid", 8, (0.2, 0.2), strategy="averaging", **old)
    write_run(runs / "old-adam", "iid-fedadam", 1, (0.2, 0.2), strategy="fedadam", **old)
    write_run(runs / "new-adam", "iid-fedadam", 2, (0.2, 0.2), strategy="fedadam", **new)
    [compared] = read_records([runs]).comparisons
    assert {name: len(some) for name, some in compared.methods.items()} == {
        "centralized": 2, "iid": 4, "iid-fedadam": 2}


def test_runs_from_before_a_plugins_flag_are_compared_with_those_of_its_default(runs):
    for seed, own in ((1, {}), (2, {"mu": 0.01}), (3, {"mu": 0.5})):
        write_run(runs / f"prox{seed}", "iid-fedprox", seed, (0.2, 0.2), strategy="fedprox", **own)
    by_mu = {compared.apart["mu"]: compared.methods["iid-fedprox"] for compared in read_records([runs]).comparisons
             if "iid-fedprox" in compared.methods}
    assert {mu: [run.seed for run in some] for mu, some in by_mu.items()} == {0.01: [1, 2], 0.5: [3]}


def test_models_of_two_commits_are_compared_apart(runs):
    """The hub's main branch has moved on between two runs of one name."""
    for seed, commit in ((7, "a" * 40), (8, "b" * 40)):
        write_run(runs / f"h{seed}", "iid", seed, (0.2, 0.2), model="org/m", facts={"model_commit": commit})
    titles = [compared.title for compared in read_records([runs]).comparisons]
    assert titles == ["toy, m", "toy, org/m (org/m, aaaaaaa, 9 tokens, data toy, 2 domains, a …)",
                      "toy, org/m (org/m, bbbbbbb, 9 tokens, data toy, 2 domains, a …)"]


def test_a_record_without_a_commit_goes_with_those_of_no_commit(runs):
    """Older runs have no such key, and a model from a folder has none."""
    write_run(runs / "n1", "noniid", 1, (0.2, 0.2), facts={"model_commit": ""})
    [compared] = read_records([runs]).comparisons
    assert set(compared.methods) == {"centralized", "iid", "noniid"}


def test_methods_may_differ_in_what_each_keeps_to(runs):
    for seed in (1, 2):
        write_run(runs / f"n{seed}", "noniid", seed, (0.2, 0.2), lr=1e-3, epoch=1)
    [compared] = read_records([runs]).comparisons
    assert set(compared.methods) == {"centralized", "iid", "noniid"}


def test_runs_on_other_test_rows_or_models_are_compared_apart(runs):
    write_run(runs / "more", "iid", 1, (0.2, 0.2), test=50)
    write_run(runs / "random", "iid", 1, (0.2, 0.2), random_init=True)
    write_run(runs / "local", "iid", 1, (0.2, 0.2), model="/models/m")
    titles = [compared.title for compared in read_records([runs]).comparisons]
    assert titles == ["toy, m (/models/m, 9 tokens, data toy, 2 domains, a …)",
                      "toy, m (m, 9 tokens, data toy, 2 domains, a …)", "toy, m, 50 rows per domain",
                      "toy, m, random weights"]
    write_run(runs / "other", "iid", 1, (0.2, 0.2, 0.1))
    titles = [compared.title for compared in read_records([runs]).comparisons]
    assert len(set(titles)) == 5 and "toy, m (m, 9 tokens, data toy, 3 domains, a …)" in titles


def test_a_model_s_first_layers_are_a_model_of_their_own(runs):
    for name, flags in {"one": {"layers": 1}, "two": {"layers": 2}, "drawn": {"layers": 2, "random_init": True},
                        "hub": {"layers": 2, "model": "org/m@v1"}, "called": {"model": "m-layers3"}}.items():
        write_run(runs / name, "iid", 1, (0.2, 0.2), **flags)
    found = {compared.title: compared.model for compared in read_records([runs]).comparisons}
    assert found == {"toy, m": "m", "toy, m, first 1 layer": "m-layers1", "toy, m, first 2 layers": "m-layers2",
                     "toy, m, first 2 layers, random weights": "m-layers2", "toy, m-layers3": "m-layers3",
                     "toy, org/m@v1, first 2 layers": "org/m-layers2@v1"}


def test_nothing_finished_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no finished run"):
        read_records([tmp_path])
    with pytest.raises(UserError, match="nowhere: no such folder"):
        read_records([tmp_path / "nowhere"])
    (write_run(tmp_path / "run", "iid", 1, (0.2, 0.2)) / "summary.json").unlink()
    with pytest.raises(UserError, match=r"no finished run in .* \(1 without summary.json"):
        read_records([tmp_path])


def test_runs_that_lack_clients_are_named_wherever_they_are_averaged(runs):
    lines = [json.loads(line) for line in (runs / "i2" / "rounds.jsonl").read_text().splitlines()]
    lines[2]["failed"] = ["client 1: its worker died: killed", "client 3: diverged"]
    (runs / "i2" / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    [compared] = read_records([runs]).comparisons
    sentence = "iid, seed 2: clients are missing (round 2 without client 1, client 3)."
    assert score_table(judge(compared)).notes == [sentence] and sentence in gain_table(judge(compared)).notes
    lines = csv.DictReader(csv_text(map(judge, [compared])).splitlines())
    assert {(line["method"], line["seeds_lacking_clients"]) for line in lines} == {("centralized", ""), ("iid", "2")}
    assert [run.left_out for run in compared.methods["centralized"]] == ["", ""]
