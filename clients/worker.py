"""What one worker process holds for a whole run: the model as a vector, the rows' tokens, and the plan."""

import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from clients.training import FlatAdamW, Shard, Steps, local_training
from utils.config import RunConfig
from utils.data.dataset import TaskData
from utils.data.evaluation import EvaluationSet
from utils.data.task import TaskSpec
from utils.machine.durable import whole_file
from utils.model import loading
from utils.model.encoder import fast_encoder
from utils.model.heads import make_head
from utils.record.checkpoint import KEPT
from utils.record.runlog import OPTIMIZER
from utils.vectors.parameters import ParameterVector
from utils.vectors.transport import Transport


@dataclass(frozen=True)
class Job:
    """A run as its workers see it. `scratch` holds the model's configuration and tokenizer, and the buffers.

    `commit` is the hub's that the model is of; "" if it is not of the hub.
    """

    config: RunConfig
    spec: TaskSpec
    scratch: str
    run_dir: str
    commit: str = ""

    @property
    def skeleton(self) -> Path | str:
        """Folder (or name) of the model's configuration and tokenizer, without weights."""
        return Path(self.scratch) / "model"

    @property
    def tokens(self) -> Path:
        """Folder of the tokens that the token cache has no place for."""
        return Path(self.scratch) / "tokens"

    def save_skeleton(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
        """Write the skeleton."""
        model.config.save_pretrained(self.skeleton)
        tokenizer.save_pretrained(self.skeleton)

    def transport(self, size: int) -> Transport:
        """Return how vectors of `size` elements travel in this run."""
        return Transport(self.scratch if self.config.transport == "reference" else "", size)

    def rows_shown(self, n_clients: int) -> np.ndarray | None:
        """Return the rows that each client has trained on in this round, int64 [clients], as workers tell the driver.

        It is for show, and shared by all processes that share `scratch`; None in one that does not.
        """
        if not Path(self.scratch).is_dir():
            return None
        shared = Transport(self.scratch, n_clients, np.int64)
        return shared.receive(shared.buffer("rows-0"))


class Worker:
    """The resident state of a worker; loaded once per process, used by every client that runs there."""

    def __init__(self, job: Job) -> None:
        config = job.config
        self.job = job
        torch.set_num_threads(config.threads)
        self.device = torch.device("cuda" if config.n_gpus else "cpu")
        # The weights arrive as a vector with each message, so the skeleton's random ones never matter.
        wanted = replace(loading.Wanted.by(config, job.commit), name=str(job.skeleton), random_init=True)
        model, tokenizer = loading.load(wanted, job.spec)
        text_to_text = loading.is_text_to_text(model)
        self.model = model.to(self.device)
        self.vector = ParameterVector(self.model)
        self.transport = job.transport(self.vector.size)
        self.head = make_head(job.spec, tokenizer, text_to_text)
        self.data = TaskData(config, job.spec)
        self.data.tokenise(tokenizer, text_to_text, job.tokens)
        self.optimizer = FlatAdamW(self.vector, config.weight_decay)
        self.rows_shown = job.rows_shown(len(self.data.plan.shards))

    def fit(self, vector: np.ndarray, server_round: int, client: int, begin: int = 0, end: int = 0,
            cut: int = 0) -> dict:
        """Train client `client` from the global `vector` (float32 [n]); the result is in `self.vector`.

        Only steps `begin` to `end` (0: the last) of its round are made. What it is after `end` stays in the
        buffers of number `cut`, which any worker goes on from at `begin`.

        Returns {"rows": shard size, "loss": mean loss, "seconds": of its work so far}.
        """
        began = time.perf_counter()
        rows = self.data.plan.shards[client]
        if begin:
            so_far = self.resume(cut, begin)
        else:
            self.vector.load(vector)
            self.restore_optimizer(client, server_round)
            so_far = Steps()
        so_far.shown = None if self.rows_shown is None else self.rows_shown[client:client + 1]
        shard = Shard(self.data.tokens["train"], self.data.labels["train"], rows)
        loss = local_training(self.model, self.vector, self.optimizer, self.head, shard, self.job.config,
                              server_round, client, so_far, end)
        so_far.seconds += time.perf_counter() - began
        if end:
            self.suspend(cut, so_far)
        else:
            self.save_optimizer(client, server_round)
        return {"rows": len(rows), "loss": loss, "seconds": so_far.seconds}

    def suspend(self, cut: int, so_far: Steps) -> None:
        """Write the state of a client that is not finished into the buffers of number `cut`."""
        mean, square = self.optimizer.moments.cpu().numpy()
        for name, array in (("values", self.vector.numpy()), ("mean", mean), ("square", square)):
            self.transport.send(f"{name}-{cut}", array)
        self._numbers.send(f"progress-{cut}", np.array([so_far.loss, so_far.seconds, self.optimizer.step]))

    def resume(self, cut: int, begin: int) -> Steps:
        """Become the unfinished client in the buffers of number `cut`, which has made `begin` steps of its round."""
        values, mean, square = (self.transport.receive(self.transport.buffer(f"{name}-{cut}"))
                                for name in ("values", "mean", "square"))
        loss, seconds, step = self._numbers.receive(self._numbers.buffer(f"progress-{cut}"))
        self.vector.load(values)
        self.optimizer.restore((mean, square), int(step))
        return Steps(begin, loss, seconds)

    @property
    def _numbers(self) -> Transport:
        """What travels with a suspended client besides vectors: summed loss, seconds and its optimizer's step."""
        return Transport(self.transport.folder, 3, np.float64)

    def evaluate(self, vector: np.ndarray, part: int, parts: int) -> dict[str, np.ndarray]:
        """Evaluate the global `vector` on part `part` of `parts` of each evaluation set.

        Returns {"test": float64 [3, rows]} and "val" likewise: prediction, summed loss and number of terms.
        In float32 whatever `--precision` is: the numbers are those that the saved model gives anywhere.
        """
        self.vector.load(vector)
        self.model.eval()
        with fast_encoder(self.model) if self.device.type == "cpu" else nullcontext():
            return {part_of.name: self._evaluate(part_of, part_of.part(part, parts))
                    for part_of in self.data.evaluation_sets}

    def _evaluate(self, evaluation: EvaluationSet, batches: list[np.ndarray]) -> np.ndarray:
        columns = [np.empty((3, 0))]
        with torch.inference_mode():
            for positions in batches:
                batch = self.head.collate(self.data.tokens[evaluation.split], evaluation.rows[positions],
                                          evaluation.labels[positions])
                batch = {name: tensor.to(self.device) for name, tensor in batch.items()}
                columns.append(np.stack(self.head.evaluate(self.model, batch)))
        return np.concatenate(columns, axis=1)

    def restore_optimizer(self, client: int, server_round: int) -> None:
        """Load the client's AdamW state of its last round before this one (`--optimizer_state keep`), if any."""
        saved = self._saved_states(client)
        before = max((number for number in saved if number < server_round), default=None)
        if before is None:
            self.optimizer.restore(None, 0)
        else:
            state = load_file(saved[before])
            self.optimizer.restore(state["moments"], int(state["step"][0]))

    def save_optimizer(self, client: int, server_round: int) -> None:
        """Save the client's AdamW state with the run, for its next round.

        A client that is run again begins alike: when a round begins, the checkpoint of the one before it may still be
        in writing, and the last one on disk damaged, so the states that three rounds back began with stay.
        """
        if self.job.config.optimizer_state != "keep":
            return
        self._states.mkdir(exist_ok=True)
        with whole_file(self._states / f"client-{client}-round-{server_round}.safetensors") as path:
            save_file({"moments": self.optimizer.moments.cpu().numpy(),
                       "step": np.array([self.optimizer.step])}, path)
        saved = self._saved_states(client)
        for number in sorted(number for number in saved if number < server_round)[:-KEPT - 1]:
            saved[number].unlink()

    @property
    def _states(self) -> Path:
        return Path(self.job.run_dir) / OPTIMIZER

    def _saved_states(self, client: int) -> dict[int, Path]:
        """Return {round: file} of the client's saved states."""
        files = self._states.glob(f"client-{client}-round-*.safetensors")
        return {int(path.stem.rpartition("-")[2]): path for path in files}


@lru_cache(maxsize=1)
def resident_worker(job: Job) -> Worker:
    """Return this process's worker, made at the first call: a model loads once per run, never per round."""
    return Worker(job)
