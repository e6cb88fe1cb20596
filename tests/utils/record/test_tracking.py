"""`--track`: the real packages' own readers give back what the record holds, also for a run that goes on."""

import json
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest

import utils.record.tracking
from utils.config import RunConfig
from utils.errors import UserError
from utils.plugins import TRACKERS
from utils.record.tracking import Tracking, check_tracker, values_to_draw

RECORDS = [
    {"round": n, "clients": [{"client": k, "loss": 1.0 + k} for k in range(2 * (n > 0))], "seconds": {"train": 2.0},
     "test": {"rows": 4, "loss": 0.5, "accuracy": 0.25 * n, "pooled": {"loss": 0.6, "accuracy": 0.3},
              "domains": {"tweets": {"rows": 4, "loss": 0.5, "accuracy": 0.25 * n}}}}
    for n in range(3)]

KILLED = """
import json, os, signal, sys
from pathlib import Path
from utils.config import RunConfig
from utils.record.tracking import Tracking

name, folder, records = sys.argv[1:]
tracking = Tracking(RunConfig(track=name, seed=7), Path(folder), ["test"], [])
for record in json.loads(records):
    tracking.round(record)
assert tracking.tracker is not None
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_record_as_flat_metrics():
    assert values_to_draw(RECORDS[2], ["test", "absent"]) == {
        "seconds/train": 2.0, "train/loss": 1.5, "test/loss": 0.5, "test/accuracy": 0.5,
        "test/pooled_loss": 0.6, "test/pooled_accuracy": 0.3,
        "test/tweets/loss": 0.5, "test/tweets/accuracy": 0.5}
    measured = {"norms": [1.0, 3.0], "cosines": [[1.0, 0.5], [0.5, 1.0]], "losses": [0.5, 0.6], "mean_loss": 0.4,
                "jensen_gap": 0.15, "barriers": [{"clients": [0, 1], "value": None}]}
    assert values_to_draw({"clients": [], "seconds": {}, "diagnosis": measured}, []) == {
        "diagnosis/jensen_gap": 0.15, "diagnosis/cosine": 0.5, "diagnosis/norm": 2.0}
    assert values_to_draw(RECORDS[0], []) == {"seconds/train": 2.0}


def read_tensorboard(folder) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("test/tweets/accuracy")]


def read_mlflow(folder) -> list[tuple[int, float]]:
    from mlflow import MlflowClient

    client = MlflowClient((folder.parent / "mlruns").as_uri())
    run, = client.search_runs([client.get_experiment_by_name("parameter-averaging").experiment_id])
    assert (run.info.run_name, run.info.status, run.data.params["seed"]) == ("run", "FINISHED", "7")
    return [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, "test/tweets/accuracy")]


def wandb_records(path) -> Iterator[bytes]:
    """Yield what a .wandb file holds: a log of LevelDB's format, in blocks of 32 KiB, behind a header of 7 bytes."""
    data, at, record = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        record += data[at + 7:at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last part
            yield record
            record = b""


def read_wandb(folder) -> list[tuple[int, float]]:
    from wandb.proto import wandb_internal_pb2

    path, = folder.glob("wandb/offline-run-*/run-*.wandb")
    found = []
    for data in wandb_records(path):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        values = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        if "test/tweets/accuracy" in values:
            found.append((int(values["_step"]), values["test/tweets/accuracy"]))
    return found


def read_trackio(folder) -> list[tuple[int, float]]:
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    run, = trackio.Api().runs("parameter-averaging")
    return [(row["step"], row["test/tweets/accuracy"])
            for row in SQLiteStorage.get_logs("parameter-averaging", run.name)]


READERS = {"tensorboard": read_tensorboard, "mlflow": read_mlflow, "wandb": read_wandb, "trackio": read_trackio}


def test_each_tracker_has_a_reader_here():
    assert set(READERS) == set(TRACKERS.names()) - {"none"}


@pytest.mark.parametrize("name", READERS)
def test_a_tracker_holds_each_round_once(name, tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for variable in ("WANDB_MODE", "WANDB_ERROR_REPORTING", "MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ALLOW_FILE_STORE",
                     "TRACKIO_DIR"):  # set by a tracker: to be as before after the test
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    folder = tmp_path / "run"
    folder.mkdir()
    config = RunConfig(track=name, seed=7)
    killed = subprocess.run([sys.executable, "-c", KILLED, name, str(folder), json.dumps(RECORDS[:2])], check=False)
    assert killed.returncode == -signal.SIGKILL
    resumed = Tracking(config, folder, ["test"], RECORDS[:2])  # the first was never closed
    resumed.round(RECORDS[2])
    resumed.close()
    assert resumed.tracker is not None
    assert READERS[name](folder) == [(0, 0.0), (1, 0.25), (2, 0.5)]
    out, err = capfd.readouterr()
    assert out == "" and "failed" not in err


def test_an_absent_package_is_named(monkeypatch):
    monkeypatch.setattr(utils.record.tracking.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="--track mlflow: its package is not installed; give `pip install mlflow-skin"):
        check_tracker("mlflow")
    check_tracker("none")


def test_a_tracker_that_fails_is_named_once_and_ends_no_run(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("utils.console.NOTES.propagate", True)
    (tmp_path / "tensorboard").mkdir()
    tracking = Tracking(RunConfig(track="tensorboard"), tmp_path, ["test"], [])
    monkeypatch.setattr(tracking.tracker.writer, "add_scalar", lambda *values: 1 / 0)
    for record in RECORDS:
        tracking.round(record)
    tracking.close()
    assert [note.getMessage() for note in caplog.records] == [
        "--track tensorboard: failed, and gets no more (ZeroDivisionError: division by zero); the run's own record "
        "goes on"]
    assert sys.stdout is not sys.stderr
