"""Runs the rounds on the nodes of a grid that Flower hands to a ServerApp: SuperNodes, or simulated ones.

What a client needs of a run beside its flags goes with each message, because a SuperNode may start a process for
each of them.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from flwr.app import ConfigRecord, Message
from flwr.serverapp import Grid

from clients.on_supernode import RUN_FACTS
from engine.cluster import Cluster
from engine.messages import Carrier, Nodes, wait_for_nodes
from engine.run import Run
from utils.config import RunConfig
from utils.console import NOTES
from utils.errors import UserError
from utils.machine.workers import Machine
from utils.plugins import STRATEGIES

POLL_SECONDS = 0.1  # each look is a request over the network


class GridEngine:
    """What engine/engine.py's Engine is to main_lm.py, on a `grid` whose nodes others have started."""

    is_here = False  # its nodes may be other machines

    def __init__(self, nodes: Nodes, machine: Machine) -> None:
        self.nodes, self.machine = nodes, machine

    def run(self, run: Run) -> None:
        """Run all rounds of `run`, to their end."""
        from engine.rounds import Rounds

        job = run.job
        facts = {"precision": job.config.precision, "fp32_products": job.config.fp32_products, "run_dir": job.run_dir,
                 "scratch": job.scratch, "fingerprint": job.fingerprint, "commit": job.commit,
                 "frozen": job.frozen, "layout": job.layout, "untied": job.untied,
                 "dropped": job.dropped}
        nodes = Nodes(GridWithFacts(self.nodes.grid, facts), self.nodes.ids)
        Rounds(run, nodes, self.machine.workers).all()


class GridWithFacts:
    """A grid that adds a run's `facts` to each message."""

    def __init__(self, grid: Carrier, facts: dict[str, str]) -> None:
        self.grid, self.facts = grid, facts

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send messages as the grid does; return their ids."""
        messages = list(messages)
        for message in messages:
            message.content[RUN_FACTS] = ConfigRecord({**self.facts})
        return self.grid.push_messages(messages)

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Return the replies that are there; where there are none, after a while."""
        replies = list(self.grid.pull_messages(list(message_ids)))
        if not replies:
            time.sleep(POLL_SECONDS)
        return replies


@contextmanager
def grid_engine(grid: Grid, config: RunConfig, cluster: Cluster, client: str) -> Iterator[GridEngine]:
    """Yield the engine of `grid`, once `--n_workers` of its nodes are there (0: at least one).

    `cluster` and `client` are what main_lm.py would start an engine of its own with; the nodes have theirs.
    """
    wanted = config.n_workers or 1
    if len(list(grid.get_nodes())) < wanted:
        NOTES.info("waiting until %d SuperNode(s) are there", wanted)
    while len(list(grid.get_nodes())) < wanted:
        time.sleep(POLL_SECONDS)
    nodes = wait_for_nodes(grid, wanted)
    yield GridEngine(nodes, replace(cluster.machine, workers=len(nodes.ids)))


def check_supernodes(config: RunConfig, simulated: bool) -> None:
    """Raise UserError for what only clients that share the server's disk can do, unless they are `simulated`."""
    if config.ray_address:
        raise UserError("--ray_address: Flower has started the nodes already; leave it out")
    if simulated:
        return
    if config.transport == "reference":
        raise UserError("--transport reference: SuperNodes share no memory with the server; give message")
    if STRATEGIES.load(config.strategy).client_vectors:
        raise UserError(f"--strategy {config.strategy}: its clients keep vectors, and a client may go on at another "
                        "SuperNode; give another strategy")
    if config.optimizer_state == "keep":
        raise UserError("--optimizer_state keep: a client may go on at another SuperNode; give fresh")
