"""What methods such as Fisher merging measure of finished models, on the rows that a task trains on."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from clients.probe import probing
from clients.training import Shard, Trained
from merging.evaluation import Evaluator
from merging.models import SavedModel
from merging.plan import measures
from merging.vectors import Measured
from strategies import strategy_of
from utils.console import NOTES, in_bytes
from utils.errors import UserError
from utils.plugins import STRATEGIES
from utils.seeds import generator
from utils.vectors.transport import Transport


def measured(evaluator: Evaluator, models: Sequence[SavedModel], folder: Path) -> Measured | None:
    """Return what the method measures of each model, which then lies in `folder`; None if it measures nothing.

    Each model is measured as a client's is that holds all rows of the task. Raises UserError where `folder` has too
    little room, and for a model whose outputs are in another order than the task's labels.
    """
    config = evaluator.config
    if not measures(STRATEGIES.load(config.strategy)):
        return None
    arrays: list[list[np.ndarray]] = []
    for number, model in enumerate(models):
        order = evaluator.order(model) or []
        if order != sorted(order):
            raise UserError(f"{model.name}: the outputs of its head are in another order than the labels of --data "
                            f"{config.data}, and what is measured would not be of what is merged")
        worker = evaluator.loaded(model.name, model.name)
        method = strategy_of(config, worker.vector.layout)
        transport = Transport(str(folder), worker.vector.size, vectors=method.returned - 1)
        if not number:
            check_room(config.strategy, 4 * transport.size * transport.vectors * len(models), folder)
        NOTES.info("measuring %s", model.name)
        rows = np.concatenate(worker.data.plan.shards)
        shard = Shard(worker.data.tokens["train"], worker.data.labels["train"], rows)
        trained = Trained(worker.model, worker.vector, worker.optimizer, worker.head)
        rng = generator(config.seed, "probe", 1, number)
        with probing(trained, shard, torch.zeros_like(worker.vector.values), rng) as probe:
            vectors = [vector.cpu().numpy() for vector in method.measured(probe)]
        arrays.append(transport.send(f"measured-{number}", *vectors))
    return Measured(worker.vector.layout, transport, arrays)


def check_room(strategy: str, nbytes: int, folder: Path) -> None:
    """Say what room is needed; raise UserError if a folder has it not, as a map of a full disk ends the process."""
    NOTES.info("--strategy %s: what it measures of these models takes %s beside --out", strategy, in_bytes(nbytes))
    if shutil.disk_usage(folder).free < nbytes:
        raise UserError(f"--out: --strategy {strategy} needs {in_bytes(nbytes)} beside it for what it measures; name "
                        "a folder where there is room")
