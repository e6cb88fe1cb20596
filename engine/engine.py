"""Flower's simulation on Ray, in one place: what is imported, started, silenced and handed over."""

import importlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from engine.cluster import Cluster, ray_folder
from utils.errors import UserError
from utils.machine.environment import EVERYWHERE, leave_out
from utils.machine.workers import Machine, pause_collector, resume_collector

if TYPE_CHECKING:
    from flwr.app import Context
    from flwr.client import Client

    from engine.messages import Nodes
    from engine.run import Run

SECONDS_TO_START = 30  # Ray


@contextmanager
def running_engine(cluster: Cluster, client: str) -> Iterator["Engine"]:
    """Yield an Engine for clients of class `client`; at the end nothing of its Ray is left, no process and no file."""
    with ray_folder() as folder:
        engine = Engine(cluster, client, folder)
        try:
            yield engine
        finally:
            engine.stop()


class Engine:
    """Flower's simulation on Ray, coming up in a thread while the driver still prepares the run.

    Starting Ray takes seconds of waiting, and each worker seconds of importing. So both begin at once; the rounds
    and the clients are handed over when they are known. Another run can follow in the same processes.
    """

    def __init__(self, cluster: Cluster, client: str, folder: Path) -> None:
        """`client`: module and class of the NumPyClient, which is made from a job; not imported here.

        Ray and Flower are imported before the thread starts: its waiting is what the driver's other imports fill, and
        were Flower imported here and there at once, each thread could wait for the other's half. Ray's files go to
        `folder`.
        """
        import flwr.simulation  # noqa: F401
        import ray  # noqa: F401

        self.cluster = cluster
        self.client_fn = LateClient(client)
        self.folder = folder
        self._work: SimpleQueue[HandedOver | None] = SimpleQueue()  # None: no more will come
        self._ended: Future = Future()  # of the simulation
        self._ray_is_up = threading.Event()
        self._calm = False  # whether all that Flower's threads have asked of Ray is done
        threading.Thread(target=self._live, daemon=True).start()

    @property
    def machine(self) -> Machine:
        """The workers that the rounds run on."""
        return self.cluster.machine

    @property
    def is_here(self) -> bool:
        """Whether its workers are processes of this machine, with the libraries and the environment of this one."""
        return self.cluster.is_here

    def run(self, run: "Run") -> None:
        """Run all rounds of `run`, to their end; RoundFailed, or what keeps Ray from starting, is raised here.

        Raises UserError, naming the flag, for a run that asks for another machine than this engine has.
        """
        from engine.rounds import Rounds

        config, machine = run.job.config, self.machine
        if config.n_gpus != machine.n_gpus:
            raise UserError(f"--n_gpus {config.n_gpus}: the open engine has {machine.n_gpus}")
        if config.n_workers not in (0, machine.workers):
            raise UserError(f"--n_workers {config.n_workers}: the open engine has {machine.workers}")
        self.drive(lambda nodes: Rounds(run, nodes, self.machine.workers).all(), run.job)

    def drive(self, rounds: "Callable[[Nodes], None]", job: object) -> None:
        """Run `rounds(nodes)` as Flower's ServerApp, with clients of `job`, to its end; raise what it raises.

        Where this thread is interrupted meanwhile, the rounds end before they ask the nodes for anything more.
        """
        self.client_fn.job = job
        work = HandedOver(rounds)
        self._calm = False
        self._work.put(work)
        try:
            wait([work.ended, self._ended], return_when=FIRST_COMPLETED)
            if not work.ended.done():
                self._ended.result()  # raises what has ended the simulation
                raise RuntimeError("this engine has been stopped: it runs nothing more")
            work.ended.result()
            self._calm = True
        finally:
            work.stopped.set()

    def stop(self) -> None:
        """End this run's processes of Ray, once they are all there.

        Where the rounds were broken off, Flower's threads go on asking Ray, whose library ends the whole process with
        exit code 1 when it is asked after its shutdown. There its processes end, and the library with this one.
        """
        import ray

        self._ray_is_up.wait(SECONDS_TO_START)
        self._work.put(None)
        if self._calm:
            wait([self._ended], SECONDS_TO_START)
        if self._ended.done():
            ray.shutdown()
        else:
            ray._private.worker._global_node.kill_all_processes(check_alive=False, allow_graceful=True)

    def _live(self) -> None:
        try:
            try:
                self.cluster.start(self.folder)
            finally:
                self._ray_is_up.set()
            self._simulate()
            self._ended.set_result(None)
        except BaseException as error:
            self._ended.set_exception(error)
        threading.Event().wait()  # the kernel kills Ray's processes when the thread that started them ends

    def _simulate(self) -> None:
        from flwr.app import Context
        from flwr.clientapp import ClientApp
        from flwr.server.superlink.fleet.vce import vce_api
        from flwr.serverapp import Grid, ServerApp
        from flwr.simulation import run_simulation

        from engine.messages import NODES, Nodes, hand_on, wait_for_nodes, wake

        logging.getLogger("flwr").setLevel(logging.CRITICAL)  # what fails is raised, and reported once
        n_nodes, server_app, sent = max(NODES, self.machine.workers + 1), ServerApp(), SimpleQueue[int]()
        vce_api.add_messages_to_queue = partial(hand_on, sent=sent)  # Flower has no setting for it

        @server_app.main()
        def main(grid: Grid, context: Context) -> None:
            nodes = wait_for_nodes(grid, n_nodes)
            wake(Nodes(grid, nodes.ids[:self.machine.workers]))
            while (work := self._work.get()) is not None:
                work.run(nodes, sent)
                del work  # with all that the run holds, while the next one is awaited

        # These go to Ray as an actor's options, so a worker that dies is started again (-1: however often). Flower
        # itself would go on giving work to the dead one.
        run_simulation(server_app, ClientApp(client_fn=self.client_fn), num_supernodes=n_nodes, backend_name="ray",
                       backend_config={"client_resources": {**self.cluster.worker_options(), "max_restarts": -1}})


class HandedOver:
    """A run's rounds on their way to Flower's thread: `ended` gets their outcome, and `stopped` ends them early."""

    def __init__(self, rounds: "Callable[[Nodes], None]") -> None:
        self.rounds: Callable[[Nodes], None] | None = rounds
        self.ended, self.stopped = Future[None](), threading.Event()

    def run(self, nodes: "Nodes", sent: "SimpleQueue[int]") -> None:
        """Run them on `nodes`, to their end, or until a message would be sent or fetched after `stopped` is set.

        The nodes that have got a message are put into `sent`.

        Returns when none of their messages is on its way any more; what the run held is let go then.
        """
        from engine.messages import Nodes, StoppableGrid

        grid, rounds = StoppableGrid(nodes.grid, self.stopped, sent), self.rounds
        assert rounds is not None, "rounds are handed over once"
        self.rounds = None
        try:
            rounds(Nodes(grid, nodes.ids))
            self.ended.set_result(None)
        except BaseException as error:
            self.ended.set_exception(error)
        grid.drain()


class LateClient:
    """Flower's client_fn. Its `job` is not known at first; a message that comes before only makes a worker import."""

    def __init__(self, client: str) -> None:
        self.client = client
        self.job: object = None

    def __call__(self, context: "Context") -> "Client":
        """Return the client as Flower calls it."""
        module, _, name = self.client.rpartition(".")
        if module not in sys.modules:
            pause_collector()
            leave_out(EVERYWHERE)  # of the shell that started a cluster
            importlib.import_module(module)
            resume_collector()
        return getattr(sys.modules[module], name)(self.job).to_client()
