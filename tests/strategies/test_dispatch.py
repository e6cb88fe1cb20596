"""Sending work to nodes, with a grid that answers in any order it likes."""

import random
from types import SimpleNamespace

import pytest
from flwr.app import ConfigRecord, Error, MessageType, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from strategies.dispatch import Piece, answers, nodes_for, own_words
from utils.errors import RoundFailed


@pytest.fixture(autouse=True)
def running():
    """Flower lets only a running app make messages."""
    TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1


class AnyOrderGrid:
    """Holds what is pushed, and answers one of them at a time, chosen at random."""

    def __init__(self, seed, failing=None):
        self.random, self.failing = random.Random(seed), failing
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
        if piece["position"] == self.failing:
            return [SimpleNamespace(metadata=metadata, has_error=lambda: True, error=Error(0, "out of cheese"))]
        return [SimpleNamespace(metadata=metadata, has_error=lambda: False, content=message.content)]


def content(piece):
    return RecordDict({"piece": ConfigRecord({"position": piece.position, "begin": piece.begin, "end": piece.end})})


def positions(grid, pieces, n_nodes=4):
    for answer in answers(grid, list(range(10, 10 + n_nodes)), pieces, MessageType.TRAIN, content):
        yield answer["piece"]["position"]


@pytest.mark.parametrize("seed", range(5))
def test_answers_come_by_position_whatever_order_work_ends_in(seed):
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


def test_a_failure_is_told_in_the_clients_own_words():
    with pytest.raises(RoundFailed, match="out of cheese"):
        list(positions(AnyOrderGrid(0, failing=3), [Piece(k) for k in range(6)]))


@pytest.mark.parametrize("reason, words", [
    ("<class 'X'>:<'tracebacks\nException ClientAppException occurred. Message: client 1 diverged'>", "client 1 diverged"),
    ("<class 'X'>:<'…\nException ClientAppException occurred. Message: two\nlines\n'>", "two lines"),
    ("<class 'X'>:<'…\nException AssertionError occurred. Message: '>", "Exception AssertionError"),
    ("", "a client failed and said nothing"),
])
def test_a_failure_is_one_line(reason, words):
    assert own_words(reason) == words


def test_big_models_get_few_nodes_and_no_run_gets_fewer_than_its_workers():
    assert nodes_for(400_000, 2) == 32 and nodes_for(440_000_000, 2) == 4 and nodes_for(1 << 33, 8) == 9
