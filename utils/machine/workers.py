"""The machine a run computes on: how many workers it has room for, and what the libraries on it read."""

import gc
import math
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from utils.config import RunConfig
from utils.errors import UserError
from utils.machine.cgroup import cpu_quota
from utils.machine.compiler import PLACE, check_compiler
from utils.machine.environment import EVERYWHERE, FLOWER, RAY, check_variables, leave_out
from utils.machine.limits import check_limits


@dataclass(frozen=True)
class Machine:
    """What Ray has of this machine: `workers` actors at once, and the GPUs in all and of each of them."""

    workers: int
    n_gpus: int
    gpus_per_worker: float


#: what the libraries of Hugging Face read at import: nothing is sent but requests for what is asked for, and nothing is
#: printed but by this program
QUIET_MODELS = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0",
                "DISABLE_SAFETENSORS_CONVERSION": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_HUB_VERBOSITY": "error",
                "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1"}
#: what the libraries read in a worker's environment as in the driver's
PASSED_ON = (*QUIET_MODELS, "FLWR_TELEMETRY_ENABLED", "FLWR_LOG_LEVEL", "OMP_WAIT_POLICY", "TOKENIZERS_PARALLELISM",
             PLACE)


def quiet_environment(own_ray: bool) -> None:
    """Set what Flower, Ray and Hugging Face read at import, and leave out what the user's shell has for them.

    So nothing is sent anywhere, little is printed, and an `own_ray` cannot be called from outside. A cluster that is
    there has its own addresses and tokens. Raises UserError as `quiet_models` does.
    """
    quiet_models()
    variables = {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0",
                 "FLWR_LOG_LEVEL": "ERROR", "GRPC_VERBOSITY": "error", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
                 # seconds until Ray's agents give up looking for the rest of a killed run, and end too
                 "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
                 # A worker's idle threads must not spin on a core that another worker computes on.
                 "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "true"}
    try:
        Path.home()
    except RuntimeError:  # a container's user may be in no list; Flower looks for a home
        variables["HOME"] = "/"
    if own_ray:
        # Ray then listens on the loopback address alone, as it does on a Mac: no other machine is meant. It unpickles
        # what it is sent, so it takes only what comes from processes that can read this one's environment.
        variables |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
                      "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    leave_out((*EVERYWHERE, FLOWER, RAY) if own_ray else (*EVERYWHERE, FLOWER), variables)


def quiet_models() -> None:
    """Set what Hugging Face reads at import, which is all that a command without Flower, or one of Flower's, needs.

    Raises UserError for an HF_ENDPOINT that is no address, over which those libraries end in a traceback.
    """
    check_variables()
    os.environ |= QUIET_MODELS


def check_machine(config: RunConfig) -> None:
    """Raise UserError when this machine has too few cores or GPUs for the run, or none answers at `--ray_address`."""
    check_limits()
    if config.ray_address:
        return check_address(config.ray_address)
    if config.n_cpu > usable_cores():
        raise UserError(f"--n_cpu {config.n_cpu:g}: this machine has {usable_cores()} cores")
    if config.compile:
        check_compiler(config.n_gpus)
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


def workers_for(config: RunConfig, cores: float, gpus: float) -> int:
    """Return how many workers of a run fit on a node of a cluster that has so many cores and GPUs."""
    by_cores = int(cores / config.n_cpu)
    return min(by_cores, int(gpus / config.gpus_per_client)) if config.n_gpus else by_cores


def check_address(address: str) -> None:
    """Raise UserError when no cluster answers at HOST:PORT; "auto" is for Ray to find."""
    host, _, port = address.rpartition(":")
    try:
        if address != "auto":
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"--ray_address {address}: no cluster answers there ({error}); `ray start --head` starts a "
                        "cluster and prints its address") from None


def usable_cores() -> int:
    """Return the CPU cores this process may run on; a container's quota of their time counts as cores, rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return math.ceil(min(cores, cpu_quota()))


def pause_collector() -> None:
    """Stop Python's garbage collector, which otherwise takes a sixth of the time of all imports."""
    gc.disable()


def resume_collector() -> None:
    """Start it again, and spare it what has been made so far: modules stay for good."""
    gc.freeze()
    gc.enable()
