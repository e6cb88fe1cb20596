"""Reading records: what is a run, what can be compared, and what is wrong with a broken one."""

import json
import subprocess

import pytest

from reports.records import read_records
from reports.tables import score_table
from tests.conftest import ROOT
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
    write_run(runs / "other", "iid", 1, (0.2, 0.2, 0.1), names="abc")
    titles = [compared.title for compared in read_records([runs]).comparisons]
    assert len(set(titles)) == 5 and "toy, m (m, 9 tokens, data toy, 3 domains, a …)" in titles


def test_a_folder_named_twice_counts_once(runs):
    assert len(read_records([runs, runs / "c1"]).comparisons[0].methods["centralized"]) == 2


def test_a_saved_model_is_no_run(runs):
    for place in (runs / "c1" / "model", runs / "downloaded"):
        place.mkdir()
        (place / "config.json").write_text('{"model_type": "bert"}')
    assert read_records([runs]).unfinished == []


def test_unfinished_runs_are_listed_not_counted(runs):
    (runs / "i3" / "summary.json").unlink()
    with (runs / "i3" / "rounds.jsonl").open("a") as file:
        file.write('{"round": 3, "cli')
    (runs / "i2" / "summary.json").unlink()
    (runs / "i2" / "rounds.jsonl").unlink()
    records = read_records([runs])
    assert [run.seed for run in records.comparisons[0].methods["iid"]] == [1]
    assert [run.state for run in records.unfinished] == [
        "no round recorded", "last round recorded: 2 of 2, the next one broken off"]


def test_runs_that_lack_clients_are_named_below_their_scores(runs):
    lines = [json.loads(line) for line in (runs / "i2" / "rounds.jsonl").read_text().splitlines()]
    lines[2]["failed"] = ["client 1: its worker died: killed", "client 3: diverged"]
    (runs / "i2" / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    [compared] = read_records([runs]).comparisons
    assert score_table(compared).notes == ["iid, seed 2: clients are missing (round 2 without client 1, client 3)."]
    assert [run.left_out for run in compared.methods["centralized"]] == ["", ""]


def test_nothing_finished_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no finished run"):
        read_records([tmp_path])
    with pytest.raises(UserError, match="nowhere: no such folder"):
        read_records([tmp_path / "nowhere"])
    (write_run(tmp_path / "run", "iid", 1, (0.2, 0.2)) / "summary.json").unlink()
    with pytest.raises(UserError, match=r"no finished run in .* \(1 without summary.json"):
        read_records([tmp_path])


BREAKS = {  # file, what is done to its text, what the message names
    "half a summary": ("summary.json", lambda text: text[:40], r"summary.json line 1: is not JSON"),
    "empty summary": ("summary.json", lambda text: "", r"summary.json line 1: is not JSON"),
    "a list": ("config.json", lambda text: "[]", r"config.json: must be a JSON object"),
    "half a config": ("config.json", lambda text: text[:-1], r"config.json line 1: is not JSON"),
    "no seed": ("config.json", lambda text: text.replace('"seed"', '"sead"'), r"config.json: lacks 'seed'"),
    "half a line": ("rounds.jsonl", lambda text: text[:-20], r"rounds.jsonl line 3: broken off"),
    "a bad line": ("rounds.jsonl", lambda text: text.replace('{"round": 1', '{"round" 1'), r"rounds.jsonl line 2: is "),
    "no rounds": ("rounds.jsonl", lambda text: "", r"rounds.jsonl: is empty"),
    "not a number": ("rounds.jsonl", lambda text: text.replace("0.45", "NaN"), r"rounds.jsonl line 1: 'accuracy'"),
    "text for a number": ("summary.json", lambda text: text.replace("0.9", '"x"'), r"summary.json: 'accuracy' is 'x'"),
    "other domains": ("rounds.jsonl", lambda text: text.replace('"b"', '"z"'), r"rounds.jsonl line 1: has other dom"),
    "deep nesting": ("config.json", lambda text: "[" * 100_000, r"config.json: is not JSON"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_record_is_named(runs, name):
    file, damage, message = BREAKS[name]
    path = runs / "i1" / file
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=rf"i1/{message}"):
        read_records([runs])


@pytest.mark.parametrize("file", ["config.json", "rounds.jsonl"])
def test_a_missing_file_is_named(runs, file):
    (runs / "i1" / file).unlink()
    with pytest.raises(UserError, match=f"i1/{file}: is missing"):
        read_records([runs])


def test_labels_of_shards_must_be_counts(runs):
    config = json.loads((runs / "i1" / "config.json").read_text())
    (runs / "i1" / "config.json").write_text(json.dumps(config | {"shard_labels": [{"yes": "many"}]}))
    with pytest.raises(UserError, match="i1/config.json: shard_labels must hold numbers"):
        read_records([runs])


def test_a_sweep_skips_what_is_finished_and_refuses_to_pass_off_runs_of_other_flags(runs):
    folder = runs / "i1"
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "versions": {"torch": "0"},
                                                    "flags": {"data": "sentiment", "lr": 1.0, "seed": 0}}))
    (folder / "summary.json").write_text(json.dumps({
        **json.loads((folder / "summary.json").read_text()), "rounds": 5}))
    script = f". sweeps/common.sh; OUT={runs}; run i1 --lr %s > /dev/null; echo went on"
    same, other = (subprocess.run(["bash", "-c", script % lr], cwd=ROOT, capture_output=True, text=True)
                   for lr in ("1", "2"))
    assert (same.returncode, same.stdout) == (0, "went on\n"), same.stderr
    assert other.returncode == 2 and not other.stdout and "was made with --lr 1.0, not 2.0" in other.stderr
