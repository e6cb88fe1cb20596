"""Fine-tune one language model by averaging the parameters of several, or by standard fine-tuning.

    python main_lm.py --data sentiment --model minilm --lang_mix 0.0 --n_iterations 3     parameter averaging
    python main_lm.py --data sentiment --model minilm --centralized --n_iterations 3      standard fine-tuning

Results go to stdout, all else to stderr, the record to log/<run>/; `--help` lists all flags. Exit code 0: done, if
only the hub did not take the model, too; 1: a fault of the program; 2: wrong input; 3: a round failed; 130: interrupted
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import preprocess.common as preprocess
from engine.cluster import cluster_for
from engine.engine import Engine, running_engine
from strategies import check_strategy
from utils.clock import Clock
from utils.command_line import parse_flags
from utils.config import RunConfig
from utils.machine.ending import exit_code
from utils.machine.process import run_program
from utils.machine.workers import check_machine, pause_collector, quiet_environment, resume_collector
from utils.model.local import check_layers
from utils.record.progress import Progress
from utils.record.push import check_push, push
from utils.record.result_lines import print_finished
from utils.record.run_folder import RunFolder
from utils.record.tracking import check_tracker

if TYPE_CHECKING:  # heavy imports wait until they are needed: --help and a wrong flag answer at once
    from utils.data.dataset import TaskData


def main(argv: list[str] | None = None, opened: Callable = running_engine) -> int:
    """Run one command line, on an engine of its own or one that `opened` gives; return the exit code."""
    config = parse_flags(argv, preprocess.task_names())

    def work() -> None:
        quiet_environment(own_ray=not config.ray_address)
        run(config, opened)

    return exit_code("main_lm.py", work,
                     lambda error: f"{error}: free some space and go on with --resume, or name another --run_dir",
                     "the same flags and --resume go on from the last whole round")


def run(config: RunConfig, opened: Callable = running_engine) -> None:
    """Find the record, prepare the rows, start the engine (or have another one `opened`), have the rounds run in it."""
    clock = Clock()
    pause_collector()
    check_tracker(config.track)
    config = replace(config, data_dir=str(Path(config.data_dir).resolve()))  # workers may run elsewhere
    with RunFolder(config) as folder:
        check_push(config, folder.path if folder.finished else None)
        if folder.finished:
            print_finished(folder.path)
        else:
            with Progress() as progress:
                data = rows_of(folder, progress)
                clock.done("rows")
                progress.phase("starting Ray, importing libraries")
                with opened(cluster_for(config, len(data.plan.shards)), "clients.lm_client.LMClient") as engine:
                    average(folder, data, engine, clock, progress)
    push(folder.path, config)


def rows_of(folder: RunFolder, progress: Progress) -> "TaskData":
    """Return the rows, as a table of the task's own columns, and each client's shard of them."""
    config = folder.config
    progress.phase("looking at the machine", brief=True)
    check_machine(config)
    check_layers(config, folder.before.get("model_commit", ""))
    progress.phase(f"reading the rows: {config.data}, {config.model_name}, {config.method}")
    from utils.data.dataset import TaskData
    from utils.record.parents import parents

    data = TaskData(config, *preprocess.prepare_run(config, folder.sources), from_=parents(config, preprocess.spec_of))
    folder.check_rows(data.fingerprints, {each.name: each.fingerprint for each in data.chosen})
    check_strategy(config, data.fewest)
    return data


def average(folder: RunFolder, data: "TaskData", engine: Engine, clock: Clock, progress: Progress) -> None:
    """Load the model, open the record, and have the rounds run from where both are."""
    from engine.run import Run
    from engine.set_up import held_out_loss, known_evaluation, strategy_for
    from utils.machine.precision import resolve_arithmetic
    from utils.record.recorder import Recorder
    from utils.record.start import load_model, start_of, write_config

    clock.done("imports")
    workers = engine.machine.workers  # raises what keeps the run from its part of a cluster, before a folder is made
    progress.phase("loading the model and the rows' tokens")
    config = resolve_arithmetic(folder.config)
    model, tokenizer = load_model(config, data, commit=folder.before.get("model_commit", ""))
    clock.done("model and tokens")
    with folder.opened(config) as log:
        start = start_of(folder, data, model, tokenizer)
        write_config(log, data, start, workers)
        with strategy_for(log, data, start, workers, progress) as (job, cut, strategy):
            recorder = Recorder(log, data, start, strategy, clock)
            resume_collector()
            known = known_evaluation(job, data, start) if engine.is_here else None
            engine.run(Run(job, cut, strategy, recorder, progress, len(start.records), known, held_out_loss(data)))
            recorder.finish()


if __name__ == "__main__":
    run_program(main, farewell="stdout has no reader any more: the results go on in the record alone")
