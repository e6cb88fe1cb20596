"""Fine-tune one language model by averaging the parameters of several, or by standard fine-tuning.

    python main_lm.py --data sentiment --model minilm --lang_mix 0.0 --n_iterations 3     parameter averaging
    python main_lm.py --data sentiment --model minilm --centralized --n_iterations 3      standard fine-tuning

Results go to stdout, everything else to stderr; the record of the run goes to log/<run>/. `--help` lists all
flags. Exit code 0: done, also where only the hub did not take the model; 1: a fault of the program; 2: the input is
wrong; 3: a round failed; 130: interrupted.
"""

import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import preprocess.common as preprocess
from engine.cluster import cluster_for
from engine.engine import Engine, running_engine
from utils.clock import Clock
from utils.command_line import parse_flags
from utils.config import RunConfig
from utils.console import NOTES, notes_to_stderr
from utils.errors import RoundFailed, UserError
from utils.machine.durable import DISK_REFUSES
from utils.machine.process import begin, leave
from utils.machine.workers import check_machine, pause_collector, quiet_environment, resume_collector
from utils.record.progress import Progress
from utils.record.push import check_push, push
from utils.record.run_folder import begun, check_resumed, finished, open_run, run_folder
from utils.record.runlog import CHECKPOINTS, print_finished
from utils.record.tracking import check_tracker

if TYPE_CHECKING:  # heavy imports wait until they are needed: --help and a wrong flag answer at once
    from utils.data.dataset import TaskData


def main(argv: list[str] | None = None) -> int:
    """Run one command line; return the exit code."""
    config = parse_flags(argv, preprocess.task_names())
    notes_to_stderr()
    try:
        quiet_environment(own_ray=not config.ray_address)
        run(config)
        return 0
    except (UserError, RoundFailed) as error:
        NOTES.error("main_lm.py: %s", error)
        return error.exit_code
    except OSError as error:
        if error.errno not in DISK_REFUSES:
            raise
        NOTES.error("main_lm.py: %s: free some space and go on with --resume, or name another --run_dir", error)
        return 2
    except KeyboardInterrupt:
        NOTES.error("main_lm.py: interrupted: the same flags and --resume go on from the last whole round")
        return 130


def run(config: RunConfig, opened: Callable = running_engine) -> None:
    """Prepare the rows, start the engine (or have another one `opened`), and have the rounds run in it."""
    clock = Clock()
    pause_collector()
    check_tracker(config.track)
    config = replace(config, data_dir=str(Path(config.data_dir).resolve()))  # workers may run elsewhere
    folder = run_folder(config)
    check_push(config)
    if finished(folder):
        print_finished(folder)
        return push(folder, config)
    with Progress() as progress:
        progress.phase("looking at the machine", brief=True)
        check_machine(config)
        progress.phase(f"reading the rows: {config.data}, {config.model_name}, {config.method}")
        from utils.data.dataset import TaskData

        # The rows, as a table of the task's own columns, and each client's shard of them
        spec = preprocess.load(config.data).SPEC
        source = config.source or begun(config, folder).get("data_source")
        preprocess.prepare(config.data, source, Path(config.data_dir))
        data = TaskData(config, spec)
        config = check_resumed(config, folder, data.table.fingerprint)
        clock.done("rows")
        progress.phase("starting Ray, importing libraries")
        with opened(cluster_for(config, len(data.plan.shards)), "clients.lm_client.LMClient") as engine:
            folder = average(config, data, folder, engine, clock, progress)
    push(folder, config)


def average(config: RunConfig, data: "TaskData", folder: Path, engine: Engine, clock: Clock,
            progress: Progress) -> Path:
    """Prepare the model, run the rounds on `engine`, write the record in `folder`; return where it is."""
    from clients.job import Job
    from engine.flower_strategy import FlowerStrategy, ServerState
    from engine.room import room_for
    from engine.run import Run
    from engine.scheduling import pieces_of_round
    from strategies import strategy_of
    from utils.machine.precision import resolve_precision
    from utils.model import loading
    from utils.record.checkpoint import last_checkpoint
    from utils.record.recorder import Recorder
    from utils.vectors.parameters import ParameterVector

    clock.done("imports")
    progress.phase("loading the model and the rows' tokens")

    # The model, as one vector, and its token ids
    spec, machine, n_clients = data.table.spec, engine.machine, len(data.plan.shards)
    config = replace(config, precision=resolve_precision(config.precision, config.n_gpus))
    model, tokenizer = loading.load(config.load_model or config.model, spec, seed=config.seed,
                                   max_length=config.max_length, random_init=config.random_init,
                                   text_to_text=config.text_to_text, flag=config.start_flag,
                                   commit=begun(config, folder).get("model_commit", ""),
                                   trained=not config.n_iterations)
    vector = ParameterVector(model)
    data.tokenise(tokenizer, loading.is_text_to_text(model))
    clock.done("model and tokens")

    # The run's folder, with what it holds already; a private scratch folder for what driver and workers exchange
    method = strategy_of(config, vector.layout)
    with (open_run(folder, config) as log,
          room_for(config, method, n_clients, machine.workers, data.lent_bytes,
                   log.folder if config.over_machines else None) as scratch):
        job = Job(config, spec, str(scratch), str(log.folder.resolve()), loading.commit_of(model),
                  data.table.fingerprint)
        job.save_skeleton(model, tokenizer)
        data.lend(job.tokens)
        last, start, states = last_checkpoint(log.folder / CHECKPOINTS) or (None, vector.numpy(), ())
        records = log.go_back(last)

        # Rounds of averaging; standard fine-tuning is the same with one client
        state = ServerState(max(0, len(records) - 1), start, states)
        strategy = FlowerStrategy(method, config, state, job.transport(vector.size), n_clients, machine.workers)
        recorder = Recorder(log, spec, data, model, tokenizer, vector, strategy.read, strategy.read_states,
                            machine, clock, records)
        progress.follow(job.rows_shown(n_clients), [config.epoch * len(shard) for shard in data.plan.shards])
        NOTES.info("%s: %d client(s) on %d worker(s) of %d thread(s), %s; record in %s", config.method, n_clients,
                   machine.workers, config.threads, config.precision, log.folder)
        resume_collector()
        engine.run(Run(job, partial(pieces_of_round, config, data), strategy, recorder, progress, len(records)))
        recorder.finish()
    return log.folder


if __name__ == "__main__":
    begin(farewell="stdout has no reader any more: the results go on in the record alone")
    code = 1
    try:
        code = main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except Exception:
        traceback.print_exc()
    leave(code)
