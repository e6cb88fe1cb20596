"""Several runs on one engine, one after the other in the same processes; one of them is interrupted.

    python -m tests.engine.several_runs FOLDER    prints the round that the interrupted run had done

FOLDER has data/ and tiny/, as tests/engine/test_engine.py makes them; the records go there, too.
"""

import signal
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

from flwr.server import Server as FlowersServer
from flwr.server import SimpleClientManager
from flwr.server.compat.grid_client_proxy import GridClientProxy

import main_lm
import preprocess.common as preprocess
from clients.job import Job
from engine.cluster import OwnCluster
from engine.engine import Engine, running_engine
from engine.flower_strategy import FlowerStrategy, ServerState
from engine.messages import Nodes
from strategies import strategy_of
from tests.processes import command, newest
from utils.command_line import parse_flags
from utils.config import RunConfig
from utils.console import notes_to_stderr
from utils.data.dataset import TaskData
from utils.machine.process import begin, leave
from utils.machine.scratch import scratch_folder
from utils.machine.workers import Machine, quiet_environment
from utils.model import loading
from utils.vectors.parameters import ParameterVector

#: name → (task, model family, flags): runs of other tasks, models, seeds and strategies; two of one model
RUNS = {
    "first": ("rte", "bert", "--max_length 32 --batch_size 8 --n_iterations 2 --train lora"),
    "second": ("rte", "bert", "--max_length 32 --batch_size 4 --n_iterations 3 --seed 7 --strategy fedadam "
                              "--train lora --optimizer_state keep --n_clients 12 --frac_fit 0.5"),
    "third": ("copa", "electra", "--max_length 32 --batch_size 8 --n_iterations 2 --seed 9 --strategy fedprox "
                                 "--lang_mix 0.99 --transport message"),
    "fourth": ("copa", "electra", "--max_length 32 --batch_size 8 --n_iterations 2 --seed 9 --strategy median"),
}
#: as the second, which comes after it, so that a message of this one would be taken for one of that
INTERRUPTED = ("rte", "bert", "--max_length 32 --batch_size 4 --n_iterations 500 --skip_evalnum 500 "
                              "--train lora --optimizer_state keep --n_clients 12")
SERVED = "--max_length 32 --batch_size 8 --n_iterations 2 --n_clients 2"  # by Flower's own Server, and by this project


def config_of(base: Path, name: str, task: str, family: str, flags: str) -> RunConfig:
    """Return the configuration of a run whose record is base/name."""
    return parse_flags(command(base, name, flags, family, task).split()[1:], preprocess.task_names())


def interrupt_after_a_round(folder: Path) -> None:
    """Do as Ctrl-C does, once the run in `folder` has a checkpoint."""
    while not newest(folder):
        threading.Event().wait(0.05)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def serve(engine: Engine, config: RunConfig, out: Path) -> None:
    """Have Flower's own Server drive a run's strategy and two clients; write the model to `out`."""
    spec = preprocess.load(config.data).SPEC
    model, tokenizer = loading.load(loading.Wanted.by(config), spec)
    vector, data = ParameterVector(model), TaskData(config, spec)
    data.tokenise(tokenizer, text_to_text=False)
    with scratch_folder(1 << 24) as scratch:
        job = Job(config, spec, str(scratch), str(scratch))
        job.save_skeleton(model, tokenizer)
        strategy = FlowerStrategy(strategy_of(config, vector.layout), config, ServerState(0, vector.numpy()),
                                  job.transport(vector.size), config.n_clients, engine.machine.workers)

        def rounds(nodes: Nodes) -> None:
            manager, grid = SimpleClientManager(), nodes.grid.grid
            for node in nodes.ids[:2]:
                manager.register(GridClientProxy(node, grid, grid.run.run_id))
            history, _ = FlowersServer(client_manager=manager, strategy=strategy).fit(config.n_iterations, None)
            assert len(history.losses_distributed) == 2 and history.losses_distributed[1][1] > 0

        engine.drive(rounds, job)
        strategy.read(vector.numpy())
    loading.save(model, tokenizer, out / "model")


def main(base: Path) -> None:
    """Run them all."""
    notes_to_stderr()
    quiet_environment(own_ray=True)
    with running_engine(OwnCluster(Machine(2, 0, 0.0)), "clients.lm_client.LMClient") as engine:
        def run(config: RunConfig) -> None:
            main_lm.run(config, lambda cluster, client: nullcontext(engine))

        run(config_of(base, "first", *RUNS["first"]))
        threading.Thread(target=interrupt_after_a_round, args=[base / "interrupted"], daemon=True).start()
        try:
            run(config_of(base, "interrupted", *INTERRUPTED))
        except KeyboardInterrupt:
            print("interrupted after round", newest(base / "interrupted"))
        for name in list(RUNS)[1:]:
            run(config_of(base, name, *RUNS[name]))
        serve(engine, config_of(base, "served", "rte", "bert", SERVED), base / "served")


if __name__ == "__main__":
    begin()
    main(Path(sys.argv[1]))
    leave(0)
