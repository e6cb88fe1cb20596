"""Sending work to nodes, with a grid that answers in any order it likes."""

import random
from queue import Queue, SimpleQueue
from threading import Event, Thread
from types import SimpleNamespace

import pytest
from flwr.app import ConfigRecord, Error, MessageType, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from clients.job import Piece
from engine.messages import RESTARTING, Nodes, hand_on, nodes_for, replies_in_order
from utils.failure import Failure


@pytest.fixture(autouse=True)
def running():
    """Flower lets only a running app make messages."""
    TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1


class AnyOrderGrid:
    """Holds what is pushed, and answers one of them at a time, chosen at random.

    `errors`: {position: reasons}, with which its first answers fail, one after the other.
    """

    def __init__(self, seed, errors=()):
        self.random = random.Random(seed)
        self.errors = {position: list(reasons) for position, reasons in dict(errors).items()}
        self.waiting, self.log, self.most = {}, [], 0

    def push_messages(self, messages):
        [message] = messages
        assert message.metadata.dst_node_id not in [other.metadata.dst_node_id for other in self.waiting.values()]
        identity = str(len(self.log))
        self.waiting[identity] = message
        self.log.append(message)
        self.most = max(self.most, len(self.waiting))
        return [identity]

    def pull_messages(self, message_ids):
        assert set(message_ids) == set(self.waiting)
        identity = self.random.choice(sorted(self.waiting))
        message = self.waiting.pop(identity)
        piece = message.content["piece"]
        metadata = SimpleNamespace(reply_to_message_id=identity)
        if self.errors.get(piece["position"]):
            error = Error(0, self.errors[piece["position"]].pop(0))
            return [SimpleNamespace(metadata=metadata, has_error=lambda: True, error=error)]
        return [SimpleNamespace(metadata=metadata, has_error=lambda: False, content=message.content)]


def content(piece):
    return RecordDict({"piece": ConfigRecord({"position": piece.position, "begin": piece.begin, "end": piece.end})})


def positions(grid, pieces, n_nodes=4, **options):
    nodes = Nodes(grid, range(10, 10 + n_nodes))
    for reply in replies_in_order(nodes, pieces, MessageType.TRAIN, content, **options):
        yield reply if isinstance(reply, Failure) else reply["piece"]["position"]


@pytest.mark.parametrize("seed", range(5))
def test_replies_come_by_position_whatever_order_work_ends_in(seed):
    grid = AnyOrderGrid(seed)
    assert list(positions(grid, [Piece(k) for k in range(50)])) == list(range(50))
    assert grid.most == 4


def test_what_is_finished_and_not_consumed_stays_bounded():
    grid = AnyOrderGrid(0)
    for consumed, _ in enumerate(positions(grid, [Piece(k) for k in range(50)])):
        assert len(grid.log) <= consumed + 4


@pytest.mark.parametrize("seed", range(5))
def test_the_second_piece_of_a_client_waits_for_its_first(seed):
    grid = AnyOrderGrid(seed)
    pieces = [Piece(2, 0, 7), Piece(0), Piece(1), Piece(2, 7)]
    assert list(positions(grid, pieces)) == [0, 1, 2]
    sent = [(message.content["piece"]["position"], message.content["piece"]["begin"]) for message in grid.log]
    assert sent[:3] == [(2, 0), (0, 0), (1, 0)] and sent[3:] == [(2, 7)]


@pytest.mark.parametrize("seed", range(3))
def test_what_fails_is_done_again_and_reported(seed):
    grid, reported = AnyOrderGrid(seed, {3: ["out of cheese", "out of crackers"], 5: ["out of tea"]}), []
    pieces = [Piece(k) for k in range(8)]
    assert list(positions(grid, pieces, tries=3, on_failure=lambda *event: reported.append(event))) == list(range(8))
    assert sorted(reported, key=lambda event: (event[0].position, event[1])) == [
        (Piece(3), 1, Failure("out of cheese")), (Piece(3), 2, Failure("out of crackers")),
        (Piece(5), 1, Failure("out of tea"))]


def test_what_fails_too_often_is_answered_by_its_last_failure():
    grid = AnyOrderGrid(0, {1: ["one", "two", "three"]})
    assert list(positions(grid, [Piece(0), Piece(1, 0, 7), Piece(1, 7), Piece(2)], tries=2)) == [0, Failure("two"), 2]


def test_what_would_fail_again_is_not_tried_again():
    diverged = Failure("…utils.errors.Diverged: …")
    assert list(positions(AnyOrderGrid(0, {0: [diverged.account]}), [Piece(0), Piece(1)], tries=5)) == [diverged, 1]


def test_a_failure_without_a_reason_is_a_failure():
    assert list(positions(AnyOrderGrid(0, {0: [None]}), [Piece(0), Piece(1)])) == [Failure(""), 1]


def test_finding_a_worker_that_is_being_started_is_no_failure():
    grid = AnyOrderGrid(0, {0: [f"…: {RESTARTING}…"] * 50})
    assert list(positions(grid, [Piece(0)], tries=1)) == [0]


def test_big_models_get_few_nodes_and_no_run_gets_fewer_than_its_workers():
    assert nodes_for(400_000, 2) == 32 and nodes_for(440_000_000, 2) == 4 and nodes_for(1 << 33, 8) == 9


def test_a_message_is_handed_on_when_it_is_sent_and_others_at_the_next_look():
    waiting, looks = {1: "a", 2: "b", 3: "c"}, []

    def get_message_ins(node_id, limit):
        looks.append(node_id)
        return [waiting.pop(node_id)] if node_id in waiting else []

    messages, sent, ended = Queue(), SimpleQueue(), Event()
    sent.put(3)
    thread = Thread(target=hand_on, args=(SimpleNamespace(get_message_ins=get_message_ins), messages, (1, 2, 3), ended),
                    kwargs={"sent": sent})
    thread.start()
    assert [messages.get(timeout=10) for _ in range(3)] == ["c", "a", "b"]
    ended.set()
    thread.join(10)
    assert not thread.is_alive() and looks[:4] == [3, 1, 2, 3]
