"""What is kept of each round: its metrics, its record, the checkpoint, and the best round so far."""

import time
from collections.abc import Callable

import numpy as np

from utils import models
from utils.clock import Clock
from utils.console import NOTES
from utils.dataset import TaskData
from utils.errors import RoundFailed
from utils.machine import Machine
from utils.metrics import evaluate_domains, majority_baseline
from utils.runlog import RunLog
from utils.task import TaskSpec
from utils.vector import ParameterVector


class Recorder:
    """Turns the rounds' outcomes into the run's record.

    `model` and `vector` are the driver's own copy; `read_global(out)` copies the global vector into `out`.
    """

    def __init__(self, log: RunLog, spec: TaskSpec, data: TaskData, model, tokenizer, vector: ParameterVector,
                 read_global: Callable[[np.ndarray], None], machine: Machine, clock: Clock) -> None:
        self.log, self.spec, self.data, self.clock = log, spec, data, clock
        self.model, self.tokenizer, self.vector, self.read_global = model, tokenizer, vector, read_global
        self.started = time.perf_counter()
        self.last: dict = {}
        self.best: dict | None = None
        self.rows_trained = 0
        test = data.evaluation_sets[0]
        trained = np.concatenate(data.plan.shards)
        self.majority = majority_baseline(spec, test.names, test.positions, test.labels,
                                          data.labels["train"][trained])
        log.write_config({
            "data_fingerprint": data.table.fingerprint, "parameters": vector.n_parameters,
            "workers": machine.workers,
            "shards": [{name: int(np.isin(shard, rows, assume_unique=True).sum())
                        for name, rows in zip(data.plan.train.names, data.plan.train.rows)}
                       for shard in data.plan.shards]})

    def round(self, server_round: int, clients: list[dict], evaluation: dict | None, seconds: dict) -> None:
        """Record one round: print its result lines, save the model when it was evaluated, keep the best."""
        self.rows_trained += self.log.config.epoch * sum(client["rows"] for client in clients)
        if not server_round:
            self.clock.done("workers")
            self.clock.seconds["workers"] -= seconds["evaluate"]
            seconds = {**self.clock.seconds, **seconds}
        record = {"round": server_round, "participants": [client["client"] for client in clients],
                  "clients": clients}
        if evaluation is not None:
            for each in self.data.evaluation_sets:
                prediction, loss, weight = columns = each.assemble(evaluation[each.name])
                if not np.isfinite(columns).all():
                    raise RoundFailed(f"round {server_round}: the averaged model's loss or prediction is no finite "
                                      f"number on some {each.name} rows: it diverged; a lower --lr may help")
                record[each.name] = evaluate_domains(self.spec, each.names, each.positions, each.labels,
                                                     prediction, loss, weight)
            self.last = record
            began = time.perf_counter()
            self.read_global(self.vector.numpy())
            if server_round or not self.log.config.n_iterations:  # round 0 is what --model already is
                models.save(self.model, self.tokenizer, self.log.folder / "model")
            if "val" in record and (self.best is None or self.score(record) > self.score(self.best)):
                self.best = record
                models.save(self.model, self.tokenizer, self.log.folder / "best_model")
            seconds["checkpoint"] = time.perf_counter() - began
        record["seconds"] = {phase: round(value, 3) for phase, value in seconds.items()}
        self.log.round(record)
        losses = [client["loss"] for client in clients]
        trained = f"training loss {np.mean(losses):.4f}, " if losses else ""
        NOTES.info("round %d: %s%s", server_round, trained,
                   ", ".join(f"{phase} {value:.1f} s" for phase, value in seconds.items()))

    def score(self, record: dict) -> float:
        """Return the headline metric on the held-out training rows."""
        return record["val"][self.spec.metrics[0]]

    def finish(self) -> None:
        """Write the summary. The last round is what is reported; the best by held-out rows is named beside it."""
        config = self.log.config
        summary = {"data": config.data, "model": config.load_model or config.model, "method": config.method,
                   "seed": config.seed, "rounds": config.n_iterations, "rows_trained": self.rows_trained,
                   "test": self.last["test"], "majority": self.majority,
                   "seconds": round(time.perf_counter() - self.started, 1)}
        if self.best:
            summary["best"] = {key: self.best[key] for key in ("round", "val", "test")}
        self.log.summary(summary)
