"""Sends a round's work to Flower's nodes and hands back the replies in client order.

Flower's own `Server` sends a message from a thread of its own for each client, six at a time here, and looks for
its answer ten times a second; a thousand small clients would wait for minutes.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, Queue, SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Protocol

from flwr.app import Message, RecordDict
from flwr.common import GetPropertiesIns, MessageTypeLegacy
from flwr.compat.common import recorddict_compat as legacy
from flwr.serverapp import Grid

from clients.job import Piece
from utils.failure import Failure

if TYPE_CHECKING:
    from flwr.server.superlink.linkstate import LinkState

POLL_SECONDS = 0.005
LONGEST_POLL = 0.02  # where nothing has come for 2 seconds: looking often takes 2 % of a core that trains
LOOK_SECONDS = 0.1  # as Flower itself looks for messages
NODES = 32  # messages on their way at once: a node has one, and the next when its reply was seen
NODE_BYTES = 1 << 31  # all vectors on their way together: big models are slow ones, and need no more


#: Ray's words for a job that found its worker being started again after its death
RESTARTING = "The actor is restarting"


class Carrier(Protocol):
    """What messages go through: a grid of Flower's, or one around it."""

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send messages; return their ids."""

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Return the replies that are there."""


@dataclass(frozen=True)
class Nodes:
    """Flower's nodes `ids` of a `grid`: any of them can play any client."""

    grid: Carrier
    ids: Sequence[int]


class RunStopped(Exception):
    """A run was broken off, and its rounds are not to ask the nodes for anything more."""


class StoppableGrid:
    """A `grid` for one run, which raises RunStopped once `stopped` is set; `unanswered` are messages on their way.

    The nodes that have got one are put into `sent`.
    """

    def __init__(self, grid: Carrier, stopped: Event, sent: "SimpleQueue[int]") -> None:
        self.grid, self.stopped, self.sent = grid, stopped, sent
        self.unanswered: set[str] = set()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send messages as the grid does; return their ids."""
        if self.stopped.is_set():
            raise RunStopped
        messages = list(messages)
        ids = list(self.grid.push_messages(messages))
        self.unanswered.update(ids)
        for message in messages:
            self.sent.put(message.metadata.dst_node_id)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Return the replies that are there."""
        if self.stopped.is_set():
            raise RunStopped
        return self._pulled(message_ids)

    def drain(self) -> None:
        """Wait until the run's last messages are answered, so that none is at work when another run begins."""
        while self.unanswered:
            if not self._pulled(self.unanswered):
                time.sleep(LONGEST_POLL)

    def _pulled(self, message_ids: Iterable[str]) -> list[Message]:
        replies = list(self.grid.pull_messages(list(message_ids)))
        self.unanswered.difference_update(reply.metadata.reply_to_message_id for reply in replies)
        return replies


def hand_on(state: "LinkState", messages: "Queue[Message]", nodes: Collection[int], ended: Event,
            sent: "SimpleQueue[int]") -> None:
    """Move messages from Flower's `state` to the queue that its workers take them from, until `ended` is set.

    In the place of Flower's function, which looks ten times a second: each message would wait for the next look. This
    one looks when a node is `sent` one, and ten times a second for messages that others send.
    """
    while not ended.is_set():
        try:
            looked_at: Iterable[int] = [sent.get(timeout=LOOK_SECONDS)]
        except Empty:
            looked_at = nodes
        for node in looked_at:
            for message in state.get_message_ins(node_id=node, limit=1):
                messages.put(message)


def nodes_for(vector_bytes: int, workers: int) -> int:
    """Return how many Flower nodes, and so messages on their way at once, serve a run."""
    return max(workers + 1, min(NODES, NODE_BYTES // vector_bytes))


def wait_for_nodes(grid: Grid, n: int) -> Nodes:
    """Return all `n` nodes in the order in which Flower looks after them, once they are there."""
    while len(nodes := list(grid.get_nodes())) < n:
        time.sleep(POLL_SECONDS)
    return Nodes(grid, [node.node_id for node in sorted(nodes, key=lambda node: node.registered_at)])


def wake(nodes: Nodes) -> None:
    """Have as many workers as `nodes` import what their clients need: a question makes each of them a client."""
    question = legacy.getpropertiesins_to_recorddict(GetPropertiesIns({}))
    each = [Piece(k) for k in range(len(nodes.ids))]
    list(replies_in_order(nodes, each, MessageTypeLegacy.GET_PROPERTIES, lambda piece: question))


def replies_in_order(nodes: Nodes, pieces: Sequence[Piece], message_type: str,
                     content: Callable[[Piece], RecordDict], tries: int = 1,
                     on_failure: Callable[[Piece, int, Failure], None] = lambda piece, number, failure: None
                     ) -> Iterator[RecordDict | Failure]:
    """Have `pieces` done and yield the reply to each position's last one, by ascending position.

    Pieces start in the order given, a position's one after the other, each on any node that is free: a message
    says which client it is for. No piece starts that is as many positions as there are nodes ahead of the one
    waited for, so that what is finished and not yet consumed stays bounded.

    A piece that fails is done again, with the same result as if it had not failed, up to `tries` times in all;
    `on_failure(piece, number, failure)` is called each time, numbered from 1. After that its position's reply is the
    Failure.
    """
    grid, ids = nodes.grid, nodes.ids
    unsent, free = list(pieces), list(range(len(ids)))
    sent: dict[str, tuple[Piece, int]] = {}
    reached: dict[int, int] = {}
    finished: dict[int, RecordDict | Failure] = {}
    failures: Counter[Piece] = Counter()
    for position in range(1 + max(piece.position for piece in pieces)):
        last = time.monotonic()  # when something came
        while position not in finished:
            for piece in list(unsent):
                if not free:
                    break
                if piece.position < position + len(ids) and reached.get(piece.position, 0) == piece.begin:
                    node = free.pop(0)
                    message = Message(content(piece), ids[node], message_type)
                    [message_id] = grid.push_messages([message])
                    sent[message_id] = piece, node
                    unsent.remove(piece)
            replies = list(grid.pull_messages(sent))
            for reply in replies:
                piece, node = sent.pop(reply.metadata.reply_to_message_id)
                free = sorted([*free, node])
                if not reply.has_error():
                    reached[piece.position] = piece.end
                    if not piece.end:
                        finished[piece.position] = reply.content
                elif RESTARTING in (reason := reply.error.reason or ""):  # not even begun; Ray took its time to say so
                    unsent.insert(0, piece)
                else:
                    failures[piece] += 1
                    failure = Failure(reason)
                    on_failure(piece, failures[piece], failure)
                    if failures[piece] < tries and not failure.final:
                        unsent.insert(0, piece)
                    else:
                        finished[piece.position] = failure
                        unsent = [other for other in unsent if other.position != piece.position]
            now = time.monotonic()
            if replies:
                last = now
            else:
                time.sleep(min(LONGEST_POLL, max(POLL_SECONDS, (now - last) / 100)))
        yield finished.pop(position)
