"""MLflow's file store, `mlruns/` beside the runs' folders, or what MLFLOW_TRACKING_URI names."""

import os
import time
from pathlib import Path

PACKAGE = "mlflow-skinny"
EXPERIMENT = "parameter-averaging"
FOLDER_TAG = "run_folder"  # by which a run that goes on is found again


class Tracker:
    """One run of the experiment `parameter-averaging`; `flags` are its parameters."""

    def __init__(self, name: str, folder: Path, flags: dict) -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # the store that needs neither server nor database
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.exceptions import MlflowException

        self.metric = Metric
        self.client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or (folder.parent / "mlruns").as_uri())
        try:
            experiment = self.client.create_experiment(EXPERIMENT)
        except MlflowException:  # it is there; a run beside this one may just have made it
            experiment = self.client.get_experiment_by_name(EXPERIMENT).experiment_id
        for before in self.client.search_runs([experiment]):
            if before.data.tags.get(FOLDER_TAG) == str(folder):
                self.client.delete_run(before.info.run_id)
        self.run = self.client.create_run(experiment, run_name=name).info.run_id
        self.client.log_batch(self.run, params=[Param(key, str(value)) for key, value in flags.items()],
                              tags=[RunTag(FOLDER_TAG, str(folder))])

    def log(self, step: int, values: dict[str, float]) -> None:
        """Write a round's values."""
        now = int(1000 * time.time())
        self.client.log_batch(self.run, [self.metric(key, value, now, step) for key, value in values.items()])

    def close(self) -> None:
        """Mark the run as done."""
        self.client.set_terminated(self.run)
