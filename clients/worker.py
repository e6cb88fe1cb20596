"""What one worker process holds for a whole run: the model as a vector, the rows' tokens, and the plan."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from clients.training import FlatAdamW, Shard, autocast, local_training
from utils import models
from utils.config import RunConfig
from utils.dataset import TaskData
from utils.heads import make_head
from utils.task import TaskSpec
from utils.vector import ParameterVector


@dataclass(frozen=True)
class Job:
    """A run as its workers see it. `scratch` holds the model's configuration and tokenizer, and the buffers."""

    config: RunConfig
    spec: TaskSpec
    scratch: str
    run_dir: str

    @property
    def skeleton(self) -> Path:
        """Folder of the model's configuration and tokenizer, without weights."""
        return Path(self.scratch) / "model"


class Worker:
    """The resident state of a worker; loaded once per process, used by every client that runs there."""

    def __init__(self, job: Job) -> None:
        config = job.config
        self.job = job
        torch.set_num_threads(config.threads)
        self.device = torch.device("cuda" if config.n_gpus else "cpu")
        # The weights arrive as a vector with each message, so the skeleton's random ones never matter.
        model, tokenizer = models.load(str(job.skeleton), job.spec, seed=config.seed, max_length=config.max_length,
                                       random_init=True, text_to_text=config.text_to_text)
        text_to_text = models.is_text_to_text(model)
        self.model = model.to(self.device)
        self.vector = ParameterVector(self.model)
        self.head = make_head(job.spec, tokenizer, text_to_text)
        self.data = TaskData(config, job.spec, tokenizer, text_to_text)
        self.optimizer = FlatAdamW(self.vector, config.weight_decay)

    def fit(self, vector: np.ndarray, server_round: int, client: int) -> dict:
        """Train client `client` from the global `vector` (float32 [n]); the result is in `self.vector`.

        Returns {"rows": shard size, "loss": mean training loss}.
        """
        rows = self.data.plan.shards[client]
        self.vector.load(vector)
        self.restore_optimizer(client)
        shard = Shard(self.data.tokens["train"], self.data.labels["train"], rows)
        loss = local_training(self.model, self.vector, self.optimizer, self.head, shard, self.job.config,
                              server_round, client)
        self.save_optimizer(client)
        return {"rows": len(rows), "loss": loss}

    def evaluate(self, vector: np.ndarray, part: int, parts: int) -> dict[str, np.ndarray]:
        """Evaluate the global `vector` on part `part` of `parts` of each evaluation set.

        Returns {"test": float64 [3, rows]} and "val" likewise: prediction, summed loss and number of terms.
        """
        self.vector.load(vector)
        self.model.eval()
        return {rows.name: self._evaluate(rows, rows.part(part, parts)) for rows in self.data.evaluation_sets}

    def _evaluate(self, rows, batches: list[np.ndarray]) -> np.ndarray:
        columns = [np.empty((3, 0))]
        with torch.inference_mode():
            for positions in batches:
                batch = self.head.collate(self.data.tokens[rows.split], rows.rows[positions],
                                          rows.labels[positions])
                batch = {name: tensor.to(self.device) for name, tensor in batch.items()}
                with autocast(self.device, self.job.config.precision):
                    columns.append(np.stack(self.head.evaluate(self.model, batch)))
        return np.concatenate(columns, axis=1)

    def restore_optimizer(self, client: int) -> None:
        """Load the client's AdamW state of its last round (`--optimizer_state keep`), or start afresh."""
        path = self._state_file(client)
        if self.job.config.optimizer_state == "keep" and path.exists():
            saved = load_file(path)
            self.optimizer.restore(saved["moments"], int(saved["step"][0]))
        else:
            self.optimizer.restore(None, 0)

    def save_optimizer(self, client: int) -> None:
        """Save the client's AdamW state with the run, for its next round."""
        if self.job.config.optimizer_state != "keep":
            return
        path = self._state_file(client)
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_suffix(".tmp")
        save_file({"moments": self.optimizer.moments.cpu().numpy(),
                   "step": np.array([int(self.optimizer.steps[0])])}, temporary)
        temporary.replace(path)

    def _state_file(self, client: int) -> Path:
        return Path(self.job.run_dir) / "optimizer" / f"client-{client}.safetensors"


@lru_cache(maxsize=1)
def resident_worker(job: Job) -> Worker:
    """Return this process's worker, made at the first call: a model loads once per run, never per round."""
    return Worker(job)
