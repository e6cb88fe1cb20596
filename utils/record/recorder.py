"""What is kept of each round, and of the run at its end: one small piece after the other, in this order."""

from dataclasses import replace
from typing import Any

import numpy as np

from utils.clock import Clock
from utils.console import NOTES
from utils.data.dataset import TaskData
from utils.failure import Failure
from utils.record.adapter_base import base_of, beside
from utils.record.averaged_model import AveragedModel, GlobalVectors, remove_saved
from utils.record.best_model import FOLDER, BestModel
from utils.record.card import Facts, adding, write_card
from utils.record.checkpoint import CheckpointWriter
from utils.record.predictions import Predictions
from utils.record.result_lines import print_round, print_summary
from utils.record.results import columns_of, results_of
from utils.record.runlog import RunLog
from utils.record.start import Start
from utils.record.summary import Summary
from utils.record.tracking import Tracking


class Recorder:
    """Turns the rounds' outcomes into the run's record.

    `vectors` holds the global vector as it is after each round; `clock` has the seconds of the phases before round 0.
    """

    def __init__(self, log: RunLog, data: TaskData, start: Start, vectors: GlobalVectors, clock: Clock) -> None:
        config, records = log.config, start.records
        self.log, self.data, self.clock = log, data, clock
        self.model = AveragedModel(start.model, start.tokenizer, start.vector, vectors,
                                    base_of(config, start.model))
        self.summary = Summary(config, data, records, start.model_facts)
        kept = self.model if config.save_model == "all" else None
        self.best = BestModel(kept, data.table.spec.metrics[0], log.folder, records)
        self.predictions = Predictions(log.folder, data.evaluation_sets, self.best.number)
        self.checkpoints = CheckpointWriter(log, self.model)
        self.tracking = Tracking(config, log.folder, data.set_names, records)

    def round(self, server_round: int, clients: list[dict], failures: list[str], evaluation: dict | None,
              seconds: dict, diagnosed: dict | None = None) -> str:
        """Record one round; the arguments are what engine/rounds.py hands over.

        Returns the last headline metric, in words. Raises RoundFailed when the averaged model has diverged, and OSError
        when the disk refuses something, or has refused the last checkpoint.
        """
        if not server_round:
            self.clock.done("workers")
            self.clock.seconds["workers"] -= seconds["evaluate"]
            seconds = {**self.clock.seconds, **seconds}
        step = self.model.vectors.step
        columns = columns_of(self.data, server_round, evaluation) if evaluation is not None else None
        record: dict[str, Any] = {
            "round": server_round, "participants": [client["client"] for client in clients], "clients": clients,
            **({"failed": failures} if failures else {}),
            **({"step": step.record(self.log.config.match_norm)} if clients and step else {}),
            **({"diagnosis": diagnosed} if diagnosed else {}),
            **(results_of(self.data, columns) if columns is not None else {}),
            "seconds": {phase: round(value, 3) for phase, value in seconds.items()}}
        self.summary.round(record)
        self.best.round(record)
        if columns is not None:
            self.predictions.round(record, columns, self.best.number)
        self.checkpoints.round(record)
        self.log.round(record)
        print_round(record, self.data.set_names)
        self.tracking.round(record)
        note_round(record)
        return self.summary.headline

    def failure(self, server_round: int, what: str, number: int, failure: Failure) -> None:
        """Note that a piece of a round's work, `what`, has failed for the `number`-th time."""
        self.log.failure({"round": server_round, "what": what, "try": number, "error": failure.words,
                          "account": failure.account})
        NOTES.warning("round %d: %s failed (try %d): %s", server_round, what, number, failure.words)

    def finish(self) -> None:
        """Write the model with its card, if it is to be kept, and the summary; remove what only a run at work needs.

        The last round is what is reported; the best by held-out rows is named beside it.
        """
        config, folder = self.log.config, self.log.folder
        self.model.read(config.n_iterations)  # waits for the last checkpoint, and raises what kept it from the disk
        summary = self.summary.value(self.best.record)
        if config.save_model == "all":
            self.save_model(summary)
        else:
            for name in ("model", FOLDER):  # of a process that was to keep them, and was killed
                remove_saved(folder / name)
        self.tracking.close()
        self.log.summary(summary)
        print_summary(folder, summary)
        self.checkpoints.remove()

    def save_model(self, summary: dict) -> None:
        """Write the model after the last round, and its adapters, with their cards."""
        config, folder, model = self.log.config, self.log.folder, self.model.model
        self.model.save(folder / "model", config.n_iterations)
        facts = Facts.of(self.data, model)
        write_card(folder / "model", config, self.data.table.spec, summary, facts)
        if self.model.base:
            facts = replace(facts, loading=adding(self.model.base.beside(folder / "model"), model))
            write_card(beside(folder / "model", "adapter"), config, self.data.table.spec, summary, facts)


def note_round(record: dict) -> None:
    """Say on stderr how a round went."""
    losses = [client["loss"] for client in record["clients"]]
    trained = f"training loss {np.mean(losses):.4f}, " if losses else ""
    NOTES.info("round %d: %s%s", record["round"], trained,
               ", ".join(f"{phase} {value:.1f} s" for phase, value in record["seconds"].items()))
