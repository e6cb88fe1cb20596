"""The rounds of one run on an engine: its strategy, its job for the workers, and the loop."""

from clients.worker import Job
from engine.engine import Engine
from engine.flower_strategy import ParameterAveraging, buffers, method_of
from engine.messages import nodes_for
from engine.rounds import Rounds
from engine.scheduling import planner
from utils.clock import Clock
from utils.console import NOTES
from utils.data.dataset import TaskData
from utils.machine.scratch import scratch_folder
from utils.machine.workers import resume_collector, usable_cores
from utils.model import loading
from utils.record.progress import Progress
from utils.record.recorder import Recorder
from utils.record.runlog import RunLog
from utils.record.start import Start


def run_rounds(log: RunLog, data: TaskData, start: Start, engine: Engine, clock: Clock, progress: Progress) -> None:
    """Run rounds of averaging on `engine`; standard fine-tuning is the same with one client."""
    config, spec, machine, n_clients = log.config, data.table.spec, engine.machine, len(data.plan.shards)
    vector, records = start.vector, start.records
    n_nodes, method = nodes_for(vector.nbytes, machine.workers), method_of(config, vector.layout)
    n_buffers = 0  # in messages, vectors need none
    if config.transport == "reference":
        n_buffers = buffers(n_clients, n_nodes, machine.workers, method.server_vectors)
    # A private scratch folder for what driver and workers exchange
    with scratch_folder(vector.nbytes * n_buffers + data.lent_bytes,
                        log.folder if config.over_machines else None) as scratch:
        job = Job(config, spec, str(scratch), str(log.folder.resolve()), loading.commit_of(start.model))
        job.save_skeleton(start.model, start.tokenizer)
        data.lend(job.tokens)
        strategy = ParameterAveraging(start.values, job.transport(vector.size), n_clients=n_clients,
                                      frac_fit=1.0 if config.centralized else config.frac_fit,
                                      min_success=config.min_success, seed=config.seed, n_parts=machine.workers,
                                      done=max(0, len(records) - 1), threads=usable_cores(), method=method,
                                      states=start.states)
        recorder = Recorder(log, data, start, strategy, clock)
        progress.follow(job.rows_shown(n_clients), [config.epoch * len(shard) for shard in data.plan.shards])
        rounds = Rounds(strategy, planner(config, data, machine), recorder.round, recorder.failure, progress,
                        first=len(records), n_rounds=config.n_iterations, evaluate_every=config.skip_evalnum,
                        n_nodes=n_nodes, tries=1 + config.client_retries)
        NOTES.info("%s: %d client(s) on %d worker(s) of %d thread(s), %s; record in %s", config.method, n_clients,
                   machine.workers, config.threads, config.precision, log.folder)
        resume_collector()
        engine.run(rounds.run, job)
        recorder.finish()
