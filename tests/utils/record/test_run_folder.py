"""The folder of a run: its name, which process may write there, what may be resumed, and from which round."""

import json
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from utils.config import RunConfig
from utils.errors import UserError
from utils.record.checkpoint import save_checkpoint
from utils.record.run_folder import RunFolder


def new_folder(config):
    with RunFolder(config) as folder, folder.opened(config) as log:
        return log.folder


def test_a_folder_is_named_by_its_settings_and_never_used_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = RunConfig(model="org/some-model/", lang_mix=0.99, seed=3)
    first, second = new_folder(config), new_folder(config)
    assert first != second and first.is_dir() and second.is_dir()
    assert first.name.startswith("sentiment-some-model-iid-seed3-")
    named = new_folder(RunConfig(run_dir="a/b"))
    (named / "file").touch()
    with pytest.raises(UserError, match="--run_dir a/b: already holds files.*--resume"):
        RunFolder(RunConfig(run_dir="a/b"))
    with pytest.raises(UserError, match="--run_dir a/b/file/c: cannot be made"):
        new_folder(RunConfig(run_dir="a/b/file/c"))


def test_a_new_runs_folder_is_made_only_when_it_is_opened(tmp_path):
    config = RunConfig(run_dir=str(tmp_path / "run"), resume=True)
    with RunFolder(config) as folder:
        assert not folder.path.exists()
        with folder.opened(config):
            assert folder.path.is_dir()


def refused(config) -> None:
    """Assert that a process which comes second is refused before it has done anything."""
    with pytest.raises(UserError, match="another run is at work there"), RunFolder(config):
        pass


def test_a_folder_has_one_run_at_a_time(tmp_path):
    config = RunConfig(run_dir=str(tmp_path / "run"))
    first, second = RunFolder(config), RunFolder(config)
    with first, first.opened(config):
        refused(replace(config, resume=True))
        with pytest.raises(UserError, match="another run is at work there"), second.opened(config):
            pass
    recorded_run(tmp_path / "run")
    going_on = replace(config, resume=True, precision="auto")
    with RunFolder(going_on):
        refused(going_on)
    with RunFolder(going_on):  # it ends with the process that held it
        pass


def test_a_finished_run_is_not_locked(tmp_path):
    config = replace(recorded_run(tmp_path), resume=True)
    (tmp_path / "summary.json").touch()
    with RunFolder(config) as one, RunFolder(config) as other:
        assert one.finished and other.finished
    assert not (tmp_path / ".lock").exists()


def test_a_run_that_another_process_has_begun_meanwhile_is_not_gone_on_with(tmp_path):
    (tmp_path / "run").mkdir()
    config = RunConfig(run_dir=str(tmp_path / "run"), resume=True)
    late = RunFolder(config)
    recorded_run(tmp_path / "run", lr=0.5)
    with pytest.raises(UserError, match="another run is at work there"), late, late.opened(config):
        pass


def recorded_run(folder, facts=None, **flags):
    """Write the record of a run that began, with other `facts` in it, and return its config."""
    config = RunConfig(run_dir=str(folder), precision="bf16", **flags)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(
        {"flags": config.flags(), "data_fingerprint": "f", "versions": {"torch": "0.1"}} | (facts or {})))
    return config


def test_only_flags_that_no_update_depends_on_may_change(tmp_path, caplog):
    config = replace(recorded_run(tmp_path / "run", {"evaluation_sets": ["test", "val"]}, lr=0.5), resume=True)
    free = RunFolder(replace(config, n_workers=7, transport="message", client_retries=0, min_success=1,
                             precision="auto"))
    assert free.path == tmp_path / "run" and not free.finished and free.config.precision == "bf16"
    for changed, message in (({"lr": 0.25}, "--lr 0.5, not 0.25"), ({"seed": 9}, "--seed 0, not 9"),
                             ({"precision": "fp32"}, "--precision bf16, not fp32")):
        with pytest.raises(UserError, match=f"--resume: .* was made with {message}"):
            RunFolder(replace(config, **changed))
    free.check_rows({"sentiment": "f"}, {"test": "t", "val": "v"})
    assert "--min_success was 0 and is 1 from here on" in caplog.text
    with pytest.raises(UserError, match="other rows"):
        free.check_rows({"sentiment": "g"}, {"test": "t", "val": "v"})
    with pytest.raises(UserError, match="was evaluated on test, val, and would be on test now"):
        free.check_rows({"sentiment": "f"}, {"test": "t"})
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]  # a look changes nothing


@pytest.mark.parametrize("strategy", ["averaging", "fedadam"])
def test_a_run_from_before_plugins_had_flags_goes_on(strategy, tmp_path):
    config = recorded_run(tmp_path, strategy=strategy)
    file = Path(config.run_dir) / "config.json"
    record = json.loads(file.read_text())
    record["flags"] |= {"alpha": 0.5, "server_lr": 0.0}
    file.write_text(json.dumps(record))
    assert RunFolder(replace(config, resume=True)).path == file.parent
    with pytest.raises(UserError, match="made with --partitioner lang_mix, not dirichlet"):
        RunFolder(RunConfig(run_dir=config.run_dir, resume=True, strategy=strategy, partitioner="dirichlet"))
    with pytest.raises(UserError, match=r"made with --server_lr 0\.001, not 0\.1" if strategy == "fedadam" else
                       "made with --strategy averaging, not fedadam"):
        RunFolder(RunConfig.of(run_dir=config.run_dir, resume=True, strategy="fedadam", server_lr=0.1))


def test_a_flag_that_is_newer_than_the_record_had_its_default(tmp_path):
    config = recorded_run(tmp_path, strategy="fedprox")
    record = json.loads((tmp_path / "config.json").read_text())
    del record["flags"]["mu"], record["flags"]["max_grad_norm"]
    (tmp_path / "config.json").write_text(json.dumps(record))
    assert RunFolder(replace(config, resume=True)).path == tmp_path
    for changed in ({"mu": 0.5}, {"max_grad_norm": 1.0}):
        [(name, value)] = changed.items()
        with pytest.raises(UserError, match=rf"made with --{name} 0[.01]*, not {value}"):
            RunFolder(RunConfig.of(run_dir=config.run_dir, resume=True, strategy="fedprox", **changed))


@pytest.mark.parametrize("recorded, other", [("torch", "onednn"), ("onednn", "torch")])
def test_a_run_goes_on_with_the_products_that_it_began_with(recorded, other, tmp_path):
    config = replace(recorded_run(tmp_path, fp32_products=recorded), resume=True)
    if recorded == "torch":  # a record from before the flag
        record = json.loads((tmp_path / "config.json").read_text())
        del record["flags"]["fp32_products"]
        (tmp_path / "config.json").write_text(json.dumps(record))
    for asked in ("auto", recorded):
        assert RunFolder(replace(config, fp32_products=asked)).config.fp32_products == recorded
    with pytest.raises(UserError, match=f"was made with --fp32_products {recorded}, not {other}"):
        RunFolder(replace(config, fp32_products=other))


def test_weights_that_are_not_trained_stay_as_they_were(tmp_path):
    config = replace(recorded_run(tmp_path, {"frozen_fingerprint": "abc"}, train="head"), resume=True)
    RunFolder(config).check_model("", "abc")
    with pytest.raises(UserError, match="was made with other weights of --model minilm, which are not trained, than"):
        RunFolder(config).check_model("", "abd")
    with pytest.raises(UserError, match="was made with --train head, not all; give the same flags"):
        RunFolder(replace(config, train="all", train_flags=None))


def test_a_model_of_the_hub_stays_at_its_commit(tmp_path):
    config = replace(recorded_run(tmp_path, {"model_commit": "c" * 40}, model="org/m@v1"), resume=True)
    for same in ("org/m@v1", "org/m@" + "c" * 40):
        folder = RunFolder(replace(config, model=same))
        assert folder.path == tmp_path
    for other in ("org/m", "org/m@v2", "org/other@" + "c" * 40):
        with pytest.raises(UserError, match=f"made with --model org/m@v1, not {other}"):
            RunFolder(replace(config, model=other))
    folder.check_model("c" * 40, "f")
    with pytest.raises(UserError, match="it was commit ccc.* on the hub, and is a folder now; start a new run"):
        folder.check_model("", "f")


@pytest.mark.parametrize("model", ["minilm", "m[1]", "m*", "m?"])
def test_without_a_name_the_last_run_of_the_settings_goes_on(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = RunConfig(resume=True, model=model)
    new = RunFolder(config).path
    assert new.name.startswith(f"sentiment-{model}-noniid-seed0-") and not list(tmp_path.iterdir())
    recorded_run(tmp_path / "log" / f"sentiment-{model}-noniid-seed0-20260101-000000", model=model)
    assert RunFolder(config).path.name == f"sentiment-{model}-noniid-seed0-20260101-000000"
    assert not RunFolder(replace(config, seed=1)).path.exists()


def test_so_does_an_older_run_whose_name_lacks_its_schedule(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config, log = RunConfig(resume=True, lr_schedule="linear"), tmp_path / "log"
    recorded_run(log / "sentiment-minilm-noniid-seed0-20260102-000000")
    (log / "sentiment-minilm-noniid-seed0-20260103-000000").mkdir()
    assert RunFolder(config).path.name.startswith("sentiment-minilm-noniid-linear-seed0-")
    older = log / "sentiment-minilm-noniid-seed0-20260101-000000"
    recorded_run(older, lr_schedule="linear")
    record = json.loads((older / "config.json").read_text())
    for newer in ("warmup_ratio", "large_batch", "only_client"):
        record["flags"].pop(newer, None)
    (older / "config.json").write_text(json.dumps(record))
    assert RunFolder(config).path.name == older.name
    assert RunFolder(replace(config, warmup_ratio=0.1)).path.name.startswith("sentiment-minilm-noniid-linear-warmup0.1")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"flags": {}}'])
def test_what_is_no_record_is_not_resumed(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match="config.json is no run's record"):
        RunFolder(RunConfig(run_dir=str(tmp_path), resume=True))
    (tmp_path / "config.json").rename(tmp_path / "other")
    with pytest.raises(UserError, match="holds no run"):
        RunFolder(RunConfig(run_dir=str(tmp_path), resume=True))
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_going_back_drops_later_rounds_and_half_lines(tmp_path):
    config = RunConfig(run_dir=str(tmp_path / "run"))
    with RunFolder(config) as folder, folder.opened(config) as log:
        for number in range(4):
            log.round({"round": number})
        with (log.folder / "rounds.jsonl").open("a") as file:
            file.write('{"round": 4, "te')
        halves = [log.folder / f".{name}.{uuid.uuid4().hex}" for name in ("best_model", "best_adapter", "base")]
        for half in halves:
            half.mkdir()

        def back(record: dict) -> list[dict]:
            """Return the records from which a run with a last checkpoint of this `record` goes on."""
            for path in (log.folder / "checkpoints").glob("*"):
                path.unlink()
            save_checkpoint(log.folder / "checkpoints", record, np.zeros(3, np.float32))
            records, last = folder.go_back()
            assert records[-1] == last.record == record
            return records

        assert [record["round"] for record in back({"round": 2, "kept": True})] == [0, 1, 2]
        lines = [json.loads(line) for line in (log.folder / "rounds.jsonl").read_text().splitlines()]
        assert lines[1:] == [{"round": 1}, {"round": 2, "kept": True}]
        assert not any(half.exists() for half in halves)
        assert len(back({"round": 3})) == 4  # the checkpoint is a round ahead of the record
        with pytest.raises(UserError, match="rounds.jsonl lacks rounds before 9"):
            back({"round": 9})
        (log.folder / "checkpoints" / "round-9.safetensors").unlink()
        assert folder.go_back() == ([], None) and not (log.folder / "rounds.jsonl").exists()


def test_rows_of_other_tasks_may_not_change_either(tmp_path):
    facts = {"data_source": "a", "ood": {"wnli": {"task": "wnli", "fingerprint": "w", "source": "hub@1"},
                                         "hans-train": {"task": "hans", "fingerprint": "h", "source": "b"}},
             "sets": {"wnli": {"rows_fingerprint": "w"}}}
    folder = RunFolder(replace(recorded_run(tmp_path / "run", facts), resume=True))
    assert folder.sources == {"sentiment": "a", "wnli": "hub@1", "hans": "b"}
    sets = {"test": "t", "wnli": "w", "hans-train": "h"}
    folder.check_rows({"sentiment": "f", "wnli": "w", "hans": "h"}, sets)
    with pytest.raises(UserError, match="was made with other rows of hans than"):
        folder.check_rows({"sentiment": "f", "wnli": "w", "hans": "x"}, sets)
    with pytest.raises(UserError, match="was evaluated on other rows of wnli than it would be now"):
        folder.check_rows({"sentiment": "f", "wnli": "w", "hans": "h"}, sets | {"wnli": "other"})
    assert RunFolder(RunConfig(run_dir=str(tmp_path / "new"))).sources == {}
