"""What one worker process holds: the model as a vector, the rows' tokens, and the plan of the run at work."""

import gc
import json
import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from clients.average import RunningAverage
from clients.job import WHOLE, Job, Piece
from clients.optimizer import FlatAdamW
from clients.probe import probing
from clients.ranks import of_own_rank
from clients.states import ClientStates
from clients.training import Shard, SoFar, Trained, Turn, local_training
from strategies import strategy_of
from utils.config import RunConfig
from utils.data.dataset import TaskData
from utils.data.evaluation import EvaluationSet
from utils.errors import UserError
from utils.machine.device import device_of
from utils.model import loading
from utils.model.compiled import compile_forward
from utils.model.feed import Feeder, feeding
from utils.model.heads import make_head
from utils.model.lengths import length_rule
from utils.plugins import STRATEGIES
from utils.record.runlog import CLIENT_STATES
from utils.seeds import generator
from utils.vectors.frozen import FrozenWeights
from utils.vectors.parameters import ParameterVector
from utils.vectors.transport import Transport


class Worker:
    """The resident state of a worker; made once per run and process, used by every client that runs there."""

    def __init__(self, job: Job, loaded: "LoadedModel | None" = None) -> None:
        config, loaded = job.config, loaded or LoadedModel(job)
        self.job = job
        torch.set_num_threads(config.threads)
        self.device, self.model, self.vector, self.head = device_of(config), loaded.model, loaded.vector, loaded.head
        self.data = TaskData(config, job.spec, job.others, json.loads(job.dropped) if job.dropped else None)
        self.data.tokenise(loaded.tokenizer, loaded.text_to_text, job.tokens)
        self.optimizer = FlatAdamW(self.vector, config.weight_decay)
        self.method = strategy_of(config, self.vector.layout)
        self.transport = job.transport(self.vector.size)
        self.answers = Transport(self.transport.folder, self.vector.size, vectors=self.method.returned,
                                 few=self.method.streams and not config.diagnose)
        self.states = ClientStates(Path(job.run_dir) / CLIENT_STATES)
        self.rows_shown = job.rows_shown(len(self.data.plan.shards))

    def received(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Return the vectors of a message, float32 [n] each, the global one first."""
        return [self.transport.receive([array]) for array in arrays]

    def fit(self, received: Sequence[np.ndarray], server_round: int, client: int, piece: Piece = WHOLE, last: int = 0
            ) -> dict:
        """Train client `client` from the vectors `received` (float32 [n]; the first is the global one).

        What it keeps from round to round is as after round `last`, the last one that its update is in (0: none).
        The result is in `self.vector`. Of its round only the steps of `piece` are made; what an unfinished client is
        stays in the buffers of number `piece.cut`, which any worker goes on from.

        Returns {"rows": shard size, "loss": mean loss, "seconds": of its work so far, "steps": made so far, "beside":
        the vectors that go back beside the model, float32 [n]}.
        """
        began, rows = time.perf_counter(), self.data.plan.shards[client]
        # What a client that goes on elsewhere has of the optimizer lies in the buffers of its cut.
        goes_on = piece.begin and not self.method.client_vectors
        state = {} if goes_on or not self.keeps else self.states.load(client, last)
        own = self._own(state)
        self.optimizer.freeze(self.method.frozen(server_round))
        if piece.begin:
            so_far = self.resume(piece)
        else:
            self.vector.load(received[0])
            self.optimizer.restore(state.get("moments"), int(state["step"][0]) if "moments" in state else 0)
            so_far = SoFar()
        so_far.shown = None if self.rows_shown is None else self.rows_shown[client:client + 1]
        term = self.method.term([self._tensor(vector) for vector in received], own) if self.method.has_term else None
        shard = Shard(self.data.tokens["train"], self.data.labels["train"], rows)
        trained = Trained(self.model, self.vector, self.optimizer, self.head)
        turn = Turn(self.data.training, server_round, client, term)
        with of_own_rank(self.model, self.method, client):
            loss = local_training(trained, shard, turn, so_far, piece.end)
        beside: list[torch.Tensor] = []
        if not piece.end:
            if term and term.returned:
                beside += term.returned(self.vector.values, so_far.travelled)
            if self.method.has_measures:
                rng = generator(self.job.config.seed, "probe", server_round, client)
                with probing(trained, shard, self._tensor(received[0]), rng) as probe:
                    beside += self.method.measured(probe)
        so_far.seconds += time.perf_counter() - began
        if piece.end:
            self.suspend(piece, so_far)
        else:
            self._save_state(client, server_round, last, own)
        return {"rows": len(rows), "loss": loss, "seconds": so_far.seconds, "steps": so_far.made,
                "beside": [vector.cpu().numpy() for vector in beside]}

    def suspend(self, piece: Piece, so_far: SoFar) -> None:
        """Write the state of a client that is not finished into the buffers of its cut."""
        mean, square = self.optimizer.moments.cpu().numpy()
        for name, array in (("values", self.vector.numpy()), ("mean", mean), ("square", square)):
            self.transport.send(f"{name}-{piece.cut}", array)
        numbers = [so_far.loss, so_far.seconds, so_far.travelled, self.optimizer.step, 0.0]
        if so_far.average:
            self.transport.send(f"average-{piece.cut}", so_far.average.values.cpu().numpy())
            numbers[-1] = so_far.average.travelled
        self._numbers.send(f"progress-{piece.cut}", np.array(numbers))

    def resume(self, piece: Piece) -> SoFar:
        """Become the unfinished client in the buffers of its cut, which has made `piece.begin` steps of its round."""
        values, mean, square = (self.transport.receive(self.transport.buffer(f"{name}-{piece.cut}"))
                                for name in ("values", "mean", "square"))
        numbers = self._numbers.receive(self._numbers.buffer(f"progress-{piece.cut}"))
        loss, seconds, travelled, step, averages = numbers.tolist()
        self.vector.load(values)
        self.optimizer.restore((mean, square), int(step))
        average = None
        if self.job.config.client_average != "none":
            values = self.transport.receive(self.transport.buffer(f"average-{piece.cut}"))
            average = RunningAverage(torch.from_numpy(values.copy()).to(self.device), averages)
        return SoFar(piece.begin, loss, seconds, travelled, average)

    @property
    def _numbers(self) -> Transport:
        """What travels with a suspended client besides vectors.

        Its loss, seconds, sum of rates, optimizer's step, and the average of the sums of rates.
        """
        return Transport(self.transport.folder, 5, np.float64)

    def _tensor(self, vector: np.ndarray) -> torch.Tensor:
        """Return a vector on this worker's device: the array's own memory, if that is the CPU's and can be written."""
        return torch.from_numpy(vector if vector.flags.writeable else vector.copy()).to(self.device)

    def _own(self, state: dict[str, np.ndarray]) -> list[torch.Tensor]:
        """Return the vectors that the strategy has each client keep, from its state; zeros at first."""
        return [self._tensor(state[f"own-{k}"]) if state else torch.zeros(self.vector.size, device=self.device)
                for k in range(self.method.client_vectors)]

    @property
    def keeps(self) -> bool:
        """Whether clients keep anything from round to round."""
        return bool(self.method.client_vectors) or self.job.config.optimizer_state == "keep"

    def _save_state(self, client: int, server_round: int, last: int, own: Sequence[torch.Tensor]) -> None:
        """Save what the client keeps for its next round: AdamW's moments with `--optimizer_state keep`, its vectors."""
        if not self.keeps:
            return
        arrays = {f"own-{k}": vector.cpu().numpy() for k, vector in enumerate(own)}
        if self.job.config.optimizer_state == "keep":
            arrays |= {"moments": self.optimizer.moments.cpu().numpy(), "step": np.array([self.optimizer.step])}
        self.states.save(client, server_round, last, arrays)

    def evaluate(self, vector: np.ndarray, part: int, parts: int, only: str = "") -> dict[str, np.ndarray]:
        """Evaluate the `vector` of a model on part `part` of `parts` of each evaluation set, or of `only` one.

        Returns {set: float64 [3, rows]}: prediction, summed loss and number of terms. In float32 whatever `--precision`
        is: the numbers are those that the saved model gives anywhere, but for last bits.
        """
        self.vector.load(vector)
        self.model.eval()
        with feeding(self.model, self.device, self.job.config, "fp32") as feed:
            return {part_of.name: self._evaluate(part_of, part_of.part(part, parts), feed)
                    for part_of in self.data.evaluation_sets if only in ("", part_of.name)}

    def _evaluate(self, evaluation: EvaluationSet, batches: list[np.ndarray], feed: Feeder) -> np.ndarray:
        """Return a set's columns for these batches, float64 [3, rows]: gathered on the device, copied once."""
        columns = [torch.empty((3, 0), dtype=torch.float64, device=self.device)]
        with torch.inference_mode():
            for positions in batches:
                batch = self.head.collate(self.data.tokens[evaluation.split], evaluation.rows[positions],
                                          evaluation.labels[positions])
                columns.append(torch.stack(self.head.evaluate(self.model, feed(batch), evaluation.alike)))
            return torch.cat(columns, dim=1).cpu().numpy()


class LoadedModel:
    """The model of a job on its device, with its head and tokenizer.

    The weights that are trained arrive with each message. The others are mapped from the job's file, or read with the
    skeleton, where that has them. Raises UserError when those, or the vector's tensors, are not the driver's.
    """

    def __init__(self, job: Job) -> None:
        self.key = self.key_of(job)
        config, device = job.config, device_of(job.config)
        read = bool(job.frozen) and job.skeleton_has_weights
        wanted = replace(loading.Wanted.by(config, job.commit), name=str(job.skeleton),
                         random_init=config.random_init or not read, untied=tuple(job.untied.split()),
                         called=f"--{config.start_flag} {config.start}")
        model, self.tokenizer = loading.load(wanted, job.spec)
        frozen = FrozenWeights(model)
        if not read:
            frozen.map(job.frozen_weights)
        elif frozen.fingerprint == job.frozen:
            frozen.align()
        else:
            raise UserError(f"--{config.start_flag} {job.skeleton}: has other weights here than at the server")
        self.text_to_text = loading.is_text_to_text(model)
        self.model: PreTrainedModel = model.to(device)
        self.vector = ParameterVector(self.model)
        if job.layout and job.layout != self.vector.layout.fingerprint:
            raise UserError(f"--{config.start_flag} {config.start}: has other parameters here "
                            "than at the server: give both the same model and versions of transformers and peft")
        self.head = make_head(job.spec, self.tokenizer, self.text_to_text)
        self.head.padded = length_rule(device, config.compile, config.max_length)
        if config.compile:
            compile_forward(self.model, device, graphs=one_batch_a_step(config))

    @staticmethod
    def key_of(job: Job) -> Hashable:
        """Return what the model of a job depends on; its seed draws weights that no message leaves as they are."""
        config = job.config
        compiled = config.compile and (config.threads, config.deterministic, one_batch_a_step(config))
        trained = config.train, config.train_flags, STRATEGIES.load(config.strategy).moves_base
        return job.model_key, job.spec, config.text_to_text, config.max_length, bool(config.n_gpus), compiled, trained


def one_batch_a_step(config: RunConfig) -> bool:
    """Whether each step of training has one forward pass."""
    return config.batch_accum == 1 and not config.large_batch


class Resident:
    """A process's worker, and the model that it has from one run to the next, where nothing that it is made of differs.

    Tokens are mapped from the files of the token cache; plans, of which plug-ins may make what they like of a run's
    flags, are made anew.
    """

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.loaded: LoadedModel | None = None

    def worker_of(self, job: Job) -> Worker:
        """Return the worker of a run, made at the first call: a model loads once per run, never per round."""
        if self.worker is None or self.worker.job != job:
            self.worker = None  # its memory goes first
            key = LoadedModel.key_of(job)
            if self.loaded is None or self.loaded.key != key:
                self.loaded = None
                gc.collect()  # a compiled model is in a cycle with its forward pass
                self.loaded = LoadedModel(job)
            self.worker = Worker(job, self.loaded)
        return self.worker


@cache
def resident() -> Resident:
    """Return this process's one."""
    return Resident()
