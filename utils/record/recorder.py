"""What is kept of each round: its metrics, its record, the checkpoint, and the best round so far."""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from utils.clock import Clock
from utils.console import NOTES
from utils.data.dataset import TaskData
from utils.data.task import TaskSpec
from utils.errors import RoundFailed
from utils.failure import Failure
from utils.machine.workers import Machine
from utils.model import loading
from utils.model.metrics import evaluate_domains, majority_baseline
from utils.record.card import Facts, license_of, write_card
from utils.record.checkpoint import save_checkpoint
from utils.record.run_folder import check_commit
from utils.record.runlog import CHECKPOINTS, CLIENT_STATES, RunLog
from utils.record.tracking import Tracking
from utils.vectors.parameters import ParameterVector


class Recorder:
    """Turns the rounds' outcomes into the run's record.

    `model` and `vector` are the driver's own copy; `read_global(out)` copies the global vector into `out`, and
    `read_states()` returns the vectors that the strategy keeps beside it; `records` are those of the rounds that an
    earlier process has done. A checkpoint is written while the next round's clients train.
    """

    def __init__(self, log: RunLog, spec: TaskSpec, data: TaskData, model: PreTrainedModel,
                 tokenizer: PreTrainedTokenizerFast, vector: ParameterVector,
                 read_global: Callable[[np.ndarray], None], read_states: Callable[[], list[np.ndarray]],
                 machine: Machine, clock: Clock, records: list[dict]) -> None:
        self.log, self.spec, self.data, self.clock = log, spec, data, clock
        self.model, self.tokenizer, self.vector, self.read_global = model, tokenizer, vector, read_global
        self.read_states = read_states
        self.writing: Future | None = None  # the last checkpoint
        self.last: dict = {}
        self.best: dict | None = None
        self.rows_trained = 0
        self.seconds = 0.0
        test = data.evaluation_sets[0]
        trained = np.concatenate(data.plan.shards)
        self.majority = majority_baseline(spec, test.names, test.positions, test.labels,
                                          data.labels["train"][trained])
        for record in records:
            self.count(record)
        if records:
            check_commit(log.folder, loading.commit_of(model))
        else:
            log.write_config({
                "data_fingerprint": data.table.fingerprint, "data_source": data.table.source,
                "model_commit": loading.commit_of(model), "parameters": vector.n_parameters,
                "workers": machine.workers, "shards": data.shards_by_domain(),
                "shard_labels": data.shards_by_label(),
                "rows_cut": {key: tokens.cuts.rows for key, tokens in data.tokens.items()}})
        self.tracking = Tracking(log.config, log.folder, records)

    def count(self, record: dict) -> bool:
        """Take a round's record into account; return whether it is the best so far on held-out rows."""
        self.rows_trained += self.log.config.epoch * sum(client["rows"] for client in record["clients"])
        self.seconds += sum(record["seconds"].values())
        if "test" in record:
            self.last = record
        is_best = "val" in record and (self.best is None or self.score(record) > self.score(self.best))
        if is_best:
            self.best = record
        return is_best

    def round(self, server_round: int, clients: list[dict], failures: list[str], evaluation: dict | None,
              seconds: dict) -> str:
        """Record one round: keep its model if it is the best, begin its checkpoint, print its result lines.

        Returns the last test's headline metric, as a person reads it. Raises OSError when the disk has refused the
        checkpoint before.
        """
        if not server_round:
            self.clock.done("workers")
            self.clock.seconds["workers"] -= seconds["evaluate"]
            seconds = {**self.clock.seconds, **seconds}
        record: dict[str, Any] = {"round": server_round, "participants": [client["client"] for client in clients],
                                  "clients": clients, **({"failed": failures} if failures else {})}
        if evaluation is not None:
            for each in self.data.evaluation_sets:
                prediction, loss, weight = columns = each.assemble(evaluation[each.name])
                if not np.isfinite(columns).all():
                    raise RoundFailed(f"round {server_round}: the averaged model's loss or prediction is no finite "
                                      f"number on some {each.name} rows: it diverged; a lower --lr may help")
                record[each.name] = evaluate_domains(self.spec, each.names, each.positions, each.labels,
                                                     prediction, loss, weight)
        record["seconds"] = {phase: round(value, 3) for phase, value in seconds.items()}
        is_best = self.count(record)
        if is_best or server_round:  # after round 0 nothing is lost yet
            began = time.perf_counter()
            self.read_model()
            if is_best:
                loading.save(self.model, self.tokenizer, self.log.folder / "best_model")
            states = self.read_states() if server_round else []
            record["seconds"]["checkpoint"] = round(time.perf_counter() - began, 3)
            if server_round:
                self.writing = self.log.writer.submit(save_checkpoint, self.log.folder / CHECKPOINTS, record,
                                                      self.vector.numpy(), states)
        self.log.round(record)
        self.tracking.round(record)
        losses = [client["loss"] for client in clients]
        trained = f"training loss {np.mean(losses):.4f}, " if losses else ""
        NOTES.info("round %d: %s%s", server_round, trained,
                   ", ".join(f"{phase} {value:.1f} s" for phase, value in record["seconds"].items()))
        name = self.spec.metrics[0]
        return f"{name} {self.last['test'][name]:.4f}" if self.last else ""

    def read_model(self) -> None:
        """Copy the global vector into `model`, once the last checkpoint, made of this memory, is written."""
        if self.writing:
            self.writing.result()
        self.read_global(self.vector.numpy())

    def failure(self, server_round: int, what: str, number: int, failure: Failure) -> None:
        """Note that a piece of a round's work, `what`, has failed for the `number`-th time."""
        self.log.failure({"round": server_round, "what": what, "try": number, "error": failure.words,
                          "account": failure.account})
        NOTES.warning("round %d: %s failed (try %d): %s", server_round, what, number, failure.words)

    def score(self, record: dict) -> float:
        """Return the headline metric on the held-out training rows."""
        return record["val"][self.spec.metrics[0]]

    def finish(self) -> None:
        """Write the model with its card, and the summary.

        The last round is what is reported; the best by held-out rows is named beside it.
        """
        config = self.log.config
        self.read_model()
        loading.save(self.model, self.tokenizer, self.log.folder / "model")
        summary = {"data": config.data, "model": config.load_model or config.model, "method": config.method,
                   "seed": config.seed, "rounds": config.n_iterations, "rows_trained": self.rows_trained,
                   "model_commit": loading.commit_of(self.model), "test": self.last["test"], "majority": self.majority,
                   "seconds": round(self.seconds, 1)}
        if self.best:
            summary["best"] = {key: self.best[key] for key in ("round", "val", "test")}
        write_card(self.log.folder / "model", config, self.spec, summary, Facts(
            len(self.data.plan.shards), loading.is_text_to_text(self.model),
            license_of(Path(self.model.config.name_or_path)), self.data.table.card.get("hub", {}).get("commit")))
        self.tracking.close()
        self.log.summary(summary)
        for name in (CHECKPOINTS, CLIENT_STATES):  # the model is there, and nobody goes on from these
            shutil.rmtree(self.log.folder / name, ignore_errors=True)
