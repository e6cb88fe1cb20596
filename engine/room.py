"""The room that a run's vectors need: in buffers that driver and workers share, or in the driver's memory."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from engine.merging import windows_of
from engine.messages import nodes_for
from strategies import Strategy
from utils.config import RunConfig
from utils.console import NOTES, in_bytes
from utils.data.partition import n_participants
from utils.errors import UserError
from utils.machine.cgroup import memory_limit
from utils.machine.scratch import scratch_folder
from utils.vectors.sums import GROUP


@contextmanager
def room_for(config: RunConfig, method: Strategy, n_clients: int, workers: int, more: int = 0, base: Path | None = None
             ) -> Iterator[Path]:
    """Make a scratch folder with room for a run's vectors, and `more` bytes; yield it; remove it.

    It lies in `base`, if that is given. Raises UserError when the room is not there, and names `--strategy` where that
    holds all updates of a round at once, works on whole tensors, or measures models, or `--diagnose`, which holds all.
    """
    check_memory(config, method, workers)
    nbytes, clients = 4 * method.layout.size, n_participants(n_clients, config.frac_fit)
    asked, instead = f"--strategy {config.strategy}", "give another strategy, or a lower --frac_fit"
    if method.streams:
        asked, instead = f"--diagnose {config.diagnose}", "leave it out, or give a lower --frac_fit"
    all_updates = f"{asked}: all {clients} updates of a round at once are {{}}; {instead}"
    diagnosed, needed = config.diagnose > 0, more
    all_at_once = diagnosed or not method.streams
    if config.transport == "reference":
        averages = workers * (config.client_average != "none")  # of clients cut in two, too
        needed += nbytes * (buffers(method, clients, nodes_for(nbytes, workers), workers, diagnosed) + averages)
    elif all_at_once:
        in_memory = nbytes * clients * (1 if method.streams else method.returned)
        if in_memory > memory():
            raise UserError(all_updates.format(f"{in_bytes(in_memory)}, more than the memory here"))
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch_folder(needed, base))
        except UserError as error:
            raise UserError(all_updates.format(f"too many ({error})")) if all_at_once else error from None
        yield folder
        # Workers map their buffers until the next run; the memory is given back now, but after an error, when one may
        # still write.
        for path in folder.glob("*.float*"):
            os.truncate(path, 0)


def check_memory(config: RunConfig, method: Strategy, workers: int) -> None:
    """Say what memory a method takes beside its vectors; raise UserError, naming `--strategy`, where there is less."""
    asked, measuring = f"--strategy {config.strategy}", method.measuring_bytes
    if method.whole:
        at_work = f"{asked}: whole tensors are worked on, which takes the driver up to " \
                  f"{in_bytes(work_on_tensors(method))} beside the updates"
        if work_on_tensors(method) > memory():
            raise UserError(f"{at_work}, more than the memory here; give another strategy")
        NOTES.info("%s", at_work)
    if workers * measuring > memory():
        raise UserError(f"{asked}: to measure a model takes {in_bytes(measuring)}, which {workers} worker(s) have no "
                        "memory for; give fewer by --n_workers, or another strategy")
    if method.returned > 1:
        beside = f"; {in_bytes(measuring)} more while its model is measured" if measuring else ""
        NOTES.info("%s: each client returns %d vectors, %s%s", asked, method.returned,
                   in_bytes(4 * method.layout.size * method.returned), beside)


def memory() -> float:
    """Return this machine's memory in bytes, or what a container leaves of it."""
    return min(memory_limit(), os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def work_on_tensors(method: Strategy) -> int:
    """Return the bytes that a method takes for its largest window: float64 copies of each vector, and two results."""
    largest = max(part.stop - part.start for part in windows_of(method))
    return 8 * largest * (method.returned + 2)


def buffers(method: Strategy, participants: int, n_nodes: int, workers: int, diagnosed: bool = False) -> int:
    """Return how many vectors a run's buffers have room for.

    Those of the participants, two global ones (with what comes back beside the models), the plain mean where another
    one is made, the method's own, two sums (float64), and clients cut in two. Where rounds are `diagnosed`, all
    participants' are there at once, and one that is made of them.
    """
    at_once = min(participants, n_nodes + GROUP) if method.streams and not diagnosed else participants
    plain = int(method.streams and method.has_weight)
    sums = 4 * (method.returned + plain) if method.streams and participants > GROUP else 0
    return method.returned * (at_once + 2) + plain + diagnosed + method.server_vectors + sums + 3 * workers
