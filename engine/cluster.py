"""The Ray that a run computes on: one of its own for this machine, or a reserved part of a cluster that is there."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from utils.config import RunConfig
from utils.console import NOTES
from utils.errors import UserError, in_short
from utils.machine.compiler import PLACE
from utils.machine.limits import object_store_bytes
from utils.machine.process import held_back
from utils.machine.scratch import private_folder, remove_stale, short_place
from utils.machine.workers import PASSED_ON, Machine, machine_for, workers_for

if TYPE_CHECKING:
    from ray.job_config import JobConfig
    from ray.util.placement_group import PlacementGroup

ROOT = str(Path(__file__).resolve().parents[1])
SECONDS_TO_WAIT = 5  # for room in a cluster, until a note says so


class Cluster(Protocol):
    """A Ray with the workers of one run.

    `is_here`: whether they are processes of this machine, with the libraries and the environment of this one.
    """

    is_here: bool

    @property
    def machine(self) -> Machine:
        """The workers of the run, known at the latest when `start` has ended."""

    def start(self, folder: Path) -> None:
        """Connect this process to Ray, whose files may lie in `folder`."""

    def worker_options(self) -> dict[str, float]:
        """Return what Ray is to give each worker."""


def cluster_for(config: RunConfig, n_clients: int) -> Cluster:
    """Return the Ray of a run of `n_clients` clients; nothing is started or joined yet."""
    return JoinedCluster(config, n_clients) if config.ray_address else OwnCluster(machine_for(config, n_clients))


@contextmanager
def ray_folder() -> Iterator[Path]:
    """Make a folder for a Ray's files; yield it; remove it, and before that what dead runs have left.

    A socket's path must be short; and Ray lets everybody write to its folder, so it lies in a private one.
    """
    remove_stale()
    with private_folder(short_place()) as folder:
        yield folder / "ray"


def job_config() -> "JobConfig":
    """Return what keeps the folder that a command is typed in off the workers' path: its utils.py is another one."""
    from ray.job_config import JobConfig

    return JobConfig(_client_job=True)  # Ray has no other switch for it


class OwnCluster:
    """Ray on this machine for this process alone, with exactly the workers of `machine`."""

    is_here = True

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def start(self, folder: Path) -> None:
        """Start Ray with one CPU for each worker, so that there are exactly as many as the machine has.

        Their threads are `RunConfig.threads`. They import this project from where it lies.
        """
        import ray
        from ray._private.node import Node

        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (ROOT, os.environ.get("PYTHONPATH"))))
        os.environ.setdefault(PLACE, str(folder.with_name("compiled")))  # what --compile writes
        # Processes that one run on one machine has no use for cost a second of a core each: the dashboard's server,
        # the autoscaler, the forwarding of logs. ray.init has no flag for them.
        for name in ("start_api_server", "start_monitor", "start_log_monitor"):
            setattr(Node, name, lambda self, **options: None)
        try:
            # A closed terminal signals its whole group. Ray's processes are ended by this one, and not before it.
            with held_back(signal.SIGHUP):
                ray.init(num_cpus=self.machine.workers, num_gpus=self.machine.n_gpus, include_dashboard=False,
                         logging_level="ERROR", log_to_driver=False, job_config=job_config(), _temp_dir=str(folder),
                         object_store_memory=object_store_bytes())
        except Exception as error:  # what Ray raises has no common class but Exception
            raise UserError(f"Ray does not start: {in_short(error)}; is one of the shell's limits low (`ulimit -a`), a "
                            "disk full, or the machine too busy?") from error

    @property
    def address(self) -> str:
        """The HOST:PORT at which processes of this machine, which have this one's environment, can join it."""
        import ray

        return ray.get_runtime_context().gcs_address

    @staticmethod
    def stop() -> None:
        """End Ray's processes."""
        import ray

        ray.shutdown()

    def worker_options(self) -> dict[str, float]:
        """Return one CPU, whatever `--n_cpu` is, and the GPUs of a worker."""
        return {"num_cpus": 1, "num_gpus": self.machine.gpus_per_worker}


class JoinedCluster:
    """The workers of one run within the cluster at `--ray_address`, which others may use at the same time.

    They are reserved all at once (a placement group), so runs that wait for room never hold what others wait for.
    """

    def __init__(self, config: RunConfig, n_clients: int) -> None:
        self.config = config
        self.n_clients = n_clients
        self.is_here = False  # as far as can be known
        self._machine: Future[Machine] = Future()

    @property
    def machine(self) -> Machine:
        """The run's part of the cluster; waits until it is joined. What keeps it from being so is raised here, too."""
        return self._machine.result()

    def start(self, folder: Path) -> None:
        """Join the cluster and reserve the workers. Raises UserError, naming the flag, if that cannot be."""
        try:
            self._join()
            machine = self._part_of_cluster()
        except BaseException as error:
            self._machine.set_exception(error)
            raise
        self._machine.set_result(machine)
        self._keep_flower_to(machine.workers, self._reserve(machine))

    def worker_options(self) -> dict[str, float]:
        """Return the cores of `--n_cpu`, which others on the cluster then leave alone, and the GPUs of a worker."""
        return {"num_cpus": self.config.n_cpu, "num_gpus": self.machine.gpus_per_worker}

    def _join(self) -> None:
        import ray

        # A cluster's workers have the environment it was started in, and import this project from where it lies here.
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {"PYTHONPATH": ROOT}
        try:
            ray.init(address=self.config.ray_address, logging_level="ERROR", log_to_driver=False,
                     job_config=job_config(), runtime_env={"env_vars": passed_on})
        except Exception as error:  # what Ray raises has no common class but Exception
            raise UserError(f"--ray_address {self.config.ray_address}: cannot be joined: {in_short(error)}") from error

    def _part_of_cluster(self) -> Machine:
        """Return the workers of the run, as many as fit on the cluster's nodes. Raises UserError when too few do."""
        import ray

        config, nodes = self.config, [node for node in ray.nodes() if node["Alive"]]
        if config.transport == "reference" and {node["NodeManagerHostname"] for node in nodes} != {
                socket.gethostname()}:
            raise UserError(f"--ray_address {config.ray_address}: its nodes are on other machines, which share no "
                            "memory with this one; give --transport message")
        gpus = config.gpus_per_client if config.n_gpus else 0.0
        fitting = sum(workers_for(config, node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0))
                      for node in nodes)
        if config.n_gpus:
            fitting = min(fitting, int(config.n_gpus / gpus))
        if fitting < max(1, config.n_workers):
            raise UserError(f"--ray_address {config.ray_address}: {fitting} worker(s) of --n_cpu {config.n_cpu:g}"
                            + f" and --gpus_per_client {gpus:g}" * bool(gpus) + " fit on its nodes, fewer than "
                            f"{max(1, config.n_workers)} (--n_workers)")
        return Machine(config.n_workers or min(fitting, self.n_clients), config.n_gpus, gpus)

    def _reserve(self, machine: Machine) -> "PlacementGroup":
        """Return a placement group with a bundle for each worker, once there is room for all of them."""
        import ray
        from ray.util.placement_group import placement_group

        bundle = {"CPU": self.config.n_cpu, "GPU": machine.gpus_per_worker}
        group = placement_group([{name: n for name, n in bundle.items() if n}] * machine.workers)
        if not group.wait(SECONDS_TO_WAIT):
            began = time.monotonic()
            NOTES.info("waiting for room for %d worker(s) in the cluster at %s", machine.workers,
                       self.config.ray_address)
            ray.get(group.ready())
            NOTES.info("there is room after %.0f s", time.monotonic() - began)
        return group

    @staticmethod
    def _keep_flower_to(workers: int, group: "PlacementGroup") -> None:
        """Have Flower make `workers` actors, in `group`; by itself it makes as many as fit on the whole cluster."""
        from flwr.server.superlink.fleet.vce.backend import raybackend
        from flwr.simulation.ray_transport.ray_actor import BasicActorPool
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        class ReservedPool(BasicActorPool):
            """Flower's pool of actors, of the run's own size and place."""

            def __init__(self, actor_type: Any, client_resources: dict, actor_kwargs: dict) -> None:
                super().__init__(actor_type, client_resources, actor_kwargs)
                self.actors_capacity = workers
                place = PlacementGroupSchedulingStrategy(group)
                self.create_actor_fn = lambda: actor_type.options(
                    **client_resources, scheduling_strategy=place).remote(**actor_kwargs)

        raybackend.BasicActorPool = ReservedPool  # type: ignore[misc]  # Flower has no setting for it
