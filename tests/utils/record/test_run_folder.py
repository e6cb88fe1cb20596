"""The folder of a run: its name, who may write it, and what may be resumed."""

import json
from dataclasses import replace

import pytest

from utils.config import RunConfig
from utils.errors import UserError
from utils.record.run_folder import check_commit, check_resumed, finished, open_run, run_folder


def new_folder(config):
    with open_run(run_folder(config), config) as log:
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
        run_folder(RunConfig(run_dir="a/b"))
    with pytest.raises(UserError, match="--run_dir a/b/file/c: cannot be made"):
        new_folder(RunConfig(run_dir="a/b/file/c"))


def test_a_folder_has_one_run_at_a_time(tmp_path):
    config = RunConfig(run_dir=str(tmp_path / "run"))
    with open_run(tmp_path / "run", config):
        for other in (config, replace(config, resume=True)):
            with pytest.raises(UserError, match="another run is at work there"), open_run(tmp_path / "run", other):
                pass


def recorded_run(folder, facts=None, **flags):
    """Write the record of a run that began, with other `facts` in it, and return its config."""
    config = RunConfig(run_dir=str(folder), precision="bf16", **flags)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(
        {"flags": config.flags(), "data_fingerprint": "f", "versions": {"torch": "0.1"}} | (facts or {})))
    return config


def test_only_flags_that_change_no_bit_may_change(tmp_path, caplog):
    config = replace(recorded_run(tmp_path / "run", lr=0.5), resume=True)
    free = replace(config, n_workers=7, transport="message", client_retries=0, min_success=1, precision="auto")
    assert run_folder(free) == tmp_path / "run" and not finished(tmp_path / "run")
    for changed, message in (({"lr": 0.25}, "--lr 0.5, not 0.25"), ({"seed": 9}, "--seed 0, not 9"),
                             ({"precision": "fp32"}, "--precision bf16, not fp32")):
        with pytest.raises(UserError, match=f"--resume: .* was made with {message}"):
            run_folder(replace(config, **changed))
    assert check_resumed(free, tmp_path / "run", "f").precision == "bf16"
    assert "--min_success was 0 and is 1 from here on" in caplog.text
    with pytest.raises(UserError, match="other rows"):
        check_resumed(free, tmp_path / "run", "g")


@pytest.mark.parametrize("strategy", ["averaging", "fedadam"])
def test_a_run_from_before_plugins_had_flags_goes_on(strategy, tmp_path):
    config = recorded_run(tmp_path, strategy=strategy)
    record = json.loads((tmp_path / "config.json").read_text())
    record["flags"] |= {"alpha": 0.5, "server_lr": 0.0}
    (tmp_path / "config.json").write_text(json.dumps(record))
    assert run_folder(replace(config, resume=True)) == tmp_path
    with pytest.raises(UserError, match="made with --partitioner lang_mix, not dirichlet"):
        run_folder(RunConfig(run_dir=str(tmp_path), resume=True, strategy=strategy, partitioner="dirichlet"))
    with pytest.raises(UserError, match=r"made with --server_lr 0\.001, not 0\.1" if strategy == "fedadam" else
                       "made with --strategy averaging, not fedadam"):
        run_folder(RunConfig.of(run_dir=str(tmp_path), resume=True, strategy="fedadam", server_lr=0.1))


def test_a_model_of_the_hub_stays_at_its_commit(tmp_path):
    config = replace(recorded_run(tmp_path, {"model_commit": "c" * 40}, model="org/m@v1"), resume=True)
    for same in ("org/m@v1", "org/m@" + "c" * 40):
        assert run_folder(replace(config, model=same)) == tmp_path
    for other in ("org/m", "org/m@v2", "org/other@" + "c" * 40):
        with pytest.raises(UserError, match=f"made with --model org/m@v1, not {other}"):
            run_folder(replace(config, model=other))
    check_commit(tmp_path, "c" * 40)
    with pytest.raises(UserError, match="it was commit ccc.* on the hub, and is a folder now; start a new run"):
        check_commit(tmp_path, "")


@pytest.mark.parametrize("model", ["minilm", "m[1]", "m*", "m?"])
def test_without_a_name_the_last_run_of_the_settings_goes_on(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = RunConfig(resume=True, model=model)
    assert run_folder(config).name.startswith(f"sentiment-{model}-noniid-seed0-") and not list(tmp_path.iterdir())
    recorded_run(tmp_path / "log" / f"sentiment-{model}-noniid-seed0-20260101-000000", model=model)
    assert run_folder(config).name == f"sentiment-{model}-noniid-seed0-20260101-000000"
    assert not run_folder(replace(config, seed=1)).exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"flags": {}}'])
def test_what_is_no_record_is_not_resumed(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match="config.json is no run's record"):
        run_folder(RunConfig(run_dir=str(tmp_path), resume=True))
    (tmp_path / "config.json").rename(tmp_path / "other")
    with pytest.raises(UserError, match="holds no run"):
        run_folder(RunConfig(run_dir=str(tmp_path), resume=True))
