"""Flower's simulation on Ray, in one place: what is imported, started, silenced and cleaned up."""

import logging
import os
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from utils.config import RunConfig
from utils.errors import UserError


@dataclass(frozen=True)
class Machine:
    """What Ray is told of this machine: `workers` actors at once, and the GPUs in all and of each of them."""

    workers: int
    n_gpus: int
    gpus_per_worker: float


def quiet_environment() -> None:
    """Set what Flower, Ray and Hugging Face read at import: nothing is sent anywhere, little is printed."""
    os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0", "HF_HUB_DISABLE_TELEMETRY": "1",
                   "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
                   "FLWR_LOG_LEVEL": "ERROR", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
                   # A worker's idle threads must not spin on a core that another worker computes on.
                   "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "true"}


def check_machine(config: RunConfig) -> None:
    """Raise UserError when this machine has too few cores or GPUs for the run."""
    if config.n_cpu > usable_cores():
        raise UserError(f"--n_cpu {config.n_cpu:g}: this machine has {usable_cores()} cores")
    if not config.n_gpus:
        return
    import torch

    if torch.cuda.device_count() < config.n_gpus:
        raise UserError(f"--n_gpus {config.n_gpus}: this machine has {torch.cuda.device_count()}; "
                        "use --n_gpus 0 for the CPU")
    fitting = int(config.n_gpus / config.gpus_per_client)
    if config.n_workers > fitting:
        raise UserError(f"--n_workers {config.n_workers}: only {fitting} fit on {config.n_gpus} GPUs at "
                        f"--gpus_per_client {config.gpus_per_client:g}")


def machine_for(config: RunConfig, n_clients: int) -> Machine:
    """Return the workers of a run of `n_clients` clients; evaluation is spread over the same ones.

    On the CPU an explicit `--n_workers` may be more than the cores: they then share them.
    """
    if config.n_gpus:
        fitting, gpus = int(config.n_gpus / config.gpus_per_client), config.gpus_per_client
    else:
        fitting, gpus = int(usable_cores() / config.n_cpu), 0.0
    return Machine(config.n_workers or min(fitting, n_clients), config.n_gpus, gpus)


def usable_cores() -> int:
    """Return the CPU cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_ray(machine: Machine) -> Future:
    """Begin to start Ray, which takes seconds of mostly waiting, beside whatever the caller does next.

    Ray counts one CPU for each worker, so that there are exactly as many as `machine` says; their threads are
    `RunConfig.threads`. The workers import this project from where it lies.
    """

    started: Future = Future()

    def start() -> None:
        import ray

        root = str(Path(__file__).resolve().parents[1])
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        try:
            started.set_result(ray.init(
                num_cpus=machine.workers, num_gpus=machine.n_gpus, include_dashboard=False, logging_level="ERROR",
                log_to_driver=False))
        except BaseException as error:
            started.set_exception(error)
        threading.Event().wait()  # the kernel kills Ray's processes when the thread that started them ends

    threading.Thread(target=start, daemon=True).start()
    return started


def simulate(server_app, client_app, machine: Machine, n_nodes: int, ray_started: Future) -> None:
    """Run a ServerApp and a ClientApp on Ray, once it has started, until the ServerApp ends.

    What the ServerApp raises (RoundFailed) is raised here.
    """
    from flwr.simulation import run_simulation

    ray_started.result()
    logging.getLogger("flwr").setLevel(logging.ERROR)  # its deprecation note and its progress lines
    run_simulation(
        server_app, client_app, num_supernodes=n_nodes, backend_name="ray",
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": machine.gpus_per_worker}})
