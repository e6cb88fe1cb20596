"""What a run's rounds need before the first: room for vectors, the workers' job, the strategy that holds them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from clients.job import Job
from engine.diagnosis import MOST_PAIRS, loss_on
from engine.flower_strategy import FlowerStrategy, ServerState
from engine.room import room_for
from engine.run import Cut
from engine.scheduling import pieces_of_round
from strategies import strategy_of
from utils.console import NOTES
from utils.data.dataset import TaskData
from utils.data.evaluation_sets import HELD_OUT
from utils.data.partition import n_participants
from utils.model import loading
from utils.model.tied import untied
from utils.record.known_evaluation import EVALUATIONS, KnownEvaluation, evaluation_key
from utils.record.progress import Progress
from utils.record.runlog import RunLog
from utils.record.start import Start


@contextmanager
def strategy_for(log: RunLog, data: TaskData, start: Start, workers: int, progress: Progress
                 ) -> Iterator[tuple[Job, Cut, FlowerStrategy]]:
    """Yield the job of `workers` processes, what cuts a round into pieces, the strategy with the vectors of `start`.

    `progress` follows the clients of the run. At the end what the processes shared is removed. Raises UserError when
    there is too little room.
    """
    config, size, n_clients = log.config, start.vector.size, len(data.plan.shards)
    method = strategy_of(config, start.vector.layout)
    base = log.folder if config.over_machines else None
    with room_for(config, method, n_clients, workers, data.lent_bytes + start.frozen.nbytes, base) as scratch:
        job = Job(config, data.table.spec, str(scratch), str(log.folder.resolve()), loading.commit_of(start.model),
                  " ".join(data.fingerprints.values()), start.frozen.fingerprint, start.vector.layout.fingerprint,
                  " ".join(untied(start.model)), json.dumps(data.dropped), others=data.others)
        job.save_skeleton(start.model, start.tokenizer)
        start.frozen.share(job.frozen_weights)
        data.lend(job.tokens)
        state = ServerState(start.round, start.values, start.states, start.merged)
        progress.follow(job.rows_shown(n_clients), [config.epoch * len(shard) for shard in data.plan.shards])
        NOTES.info("%s: %d client(s) on %d worker(s) of %d thread(s), %s; record in %s", config.method, n_clients,
                   workers, config.threads, config.precision, log.folder)
        participants = n_participants(n_clients, config.frac_fit)
        if config.diagnose and (pairs := participants * (participants - 1) // 2) > MOST_PAIRS:
            NOTES.info("--diagnose %d: of the %d pairs of participants, %d are drawn each time", config.diagnose, pairs,
                       MOST_PAIRS)
        yield (job, partial(pieces_of_round, config, data),
               FlowerStrategy(method, config, state, job.transport(size), n_clients, workers))


def held_out_loss(data: TaskData) -> Callable[[list[np.ndarray]], float] | None:
    """Return what makes the loss on the held-out rows of each part's columns, as `loss_on` does; None without rows."""
    held_out = [each for each in data.evaluation_sets if each.name == HELD_OUT]
    return partial(loss_on, data.table.spec, held_out[0]) if held_out else None


def known_evaluation(job: Job, data: TaskData, start: Start) -> KnownEvaluation | None:
    """Return where the evaluation of `start` is kept, beside the rows; None for a run that goes on after a round.

    Numbers of a GPU or of a compiled model are not kept: they may differ from run to run.
    """
    if start.records or job.config.n_gpus or job.config.compile:
        return None
    key = evaluation_key(job.config, data, job.model_key, start.values)
    return KnownEvaluation(data.table.folder / EVALUATIONS, key, data.evaluation_sets)
