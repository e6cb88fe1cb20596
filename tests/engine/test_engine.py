"""An engine that runs one run after another: the bits of each alone, also after one that was interrupted."""

import gc
import json
import sys
import threading
import weakref
from concurrent.futures import Future
from queue import SimpleQueue
from types import SimpleNamespace

import pytest

from clients.job import Job
from engine.cluster import OwnCluster
from engine.engine import Engine, HandedOver
from engine.messages import Nodes, RunStopped, StoppableGrid
from engine.run import Run
from tests import processes
from tests.engine.several_runs import RUNS, SERVED
from tests.processes import outcome_of
from tests.tiny import tiny_once
from tests.toy import toy_choices, toy_table
from utils.config import RunConfig
from utils.errors import UserError
from utils.machine.workers import Machine


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Rows and models, and the records of the runs on one engine; what they kept of round 0 is in known/."""
    base = tmp_path_factory.mktemp("several")
    toy_table(base / "data")
    toy_choices(base / "data")
    for family in ("bert", "electra"):
        tiny_once(base, family)
    done = outcome_of([sys.executable, "-m", "tests.engine.several_runs", base])
    assert done.returncode == 0, done.stderr[-3000:]
    assert "interrupted after round" in done.stdout
    assert not (base / "interrupted" / "summary.json").exists()
    (base / "notes").write_text(done.stderr)
    (base / "known").mkdir()
    for folder in (base / "data").glob("*/evaluations"):  # runs alone evaluate for themselves
        folder.rename(base / "known" / folder.parent.name)
    return base


def records(folder):
    """Return a run's rounds without their seconds."""
    rounds = list(map(json.loads, (folder / "rounds.jsonl").read_text().splitlines()))
    for timed in (*rounds, *(client for record in rounds for client in record["clients"])):
        del timed["seconds"]
    return rounds


@pytest.mark.parametrize("name", RUNS)
def test_a_run_on_an_engine_that_has_run_others_gives_the_bits_of_one_alone(base, name):
    task, family, flags = RUNS[name]
    alone = processes.finish(processes.start(base, f"{name}-alone", flags, family, task))
    assert alone.returncode == 0, alone.stderr
    assert processes.model(base / name) == processes.model(base / f"{name}-alone")
    assert records(base / name) == records(base / f"{name}-alone")


def test_runs_that_begin_alike_share_the_evaluation_of_round_0(base):
    """The fourth begins as the third, and the interrupted one as the first; the test above has their bits."""
    known = [note for note in (base / "notes").read_text().splitlines() if "an earlier run has evaluated" in note]
    assert len(known) == 2 and "/data/rte/evaluations/" in known[0] and "/data/copa/evaluations/" in known[1]
    assert [len(list((base / "known" / task).iterdir())) for task in ("rte", "copa")] == [2, 1]
    for name, evaluated in (("third", True), ("fourth", False)):
        first = json.loads((base / name / "rounds.jsonl").read_text().splitlines()[0])
        assert (first["seconds"]["evaluate"] > 0) == evaluated


def test_flowers_own_server_can_drive_the_strategy(base):
    """With the same bits: every draw goes by the run's seed, the round and the client, none by the server's loop."""
    alone = processes.finish(processes.start(base, "served-alone", SERVED))
    assert alone.returncode == 0, alone.stderr
    assert processes.model(base / "served") == processes.model(base / "served-alone")


def test_what_a_run_held_is_let_go_while_the_next_one_is_awaited():
    class Held:
        """Stands for a run's model and vectors."""

    held = Held()
    work, still = HandedOver(lambda nodes, held=held: None), weakref.ref(held)
    del held
    work.run(Nodes(None, []), SimpleQueue())
    gc.collect()
    assert work.ended.done() and still() is None


def test_an_engine_runs_no_run_that_asks_for_another_machine():
    engine = object.__new__(Engine)
    engine.cluster = OwnCluster(Machine(2, 0, 0.0))
    for flags, words in (({"n_gpus": 1}, "--n_gpus 1: the open engine has 0"),
                         ({"n_workers": 3}, "--n_workers 3: the open engine has 2")):
        run = Run(Job(RunConfig(**flags), None, "", ""), None, None, None, None)
        with pytest.raises(UserError, match=words):
            engine.run(run)


def test_messages_of_a_run_that_was_broken_off_are_waited_for():
    """They are answered one at a time; meanwhile the run itself sends and fetches no more."""
    class Grid:
        waiting = ["a", "b", "c"]

        def push_messages(self, messages):
            return self.waiting

        def pull_messages(self, message_ids):
            assert sorted(message_ids) == self.waiting
            return [SimpleNamespace(metadata=SimpleNamespace(reply_to_message_id=self.waiting.pop()))]

    stopped = threading.Event()
    messages = [SimpleNamespace(metadata=SimpleNamespace(dst_node_id=node)) for node in (1, 2, 3)]
    grid = StoppableGrid(Grid(), stopped, SimpleQueue())
    assert grid.push_messages(messages) == ["a", "b", "c"]
    stopped.set()
    for call in (grid.push_messages, grid.pull_messages):
        with pytest.raises(RunStopped):
            call([])
    grid.drain()
    assert not Grid.waiting and not grid.unanswered
    assert [grid.sent.get() for _ in messages] == [1, 2, 3]


def test_an_engine_that_has_ended_does_not_pass_over_a_run():
    engine = object.__new__(Engine)
    engine.client_fn, engine._work, engine._ended = SimpleNamespace(), SimpleQueue(), Future()
    engine._ended.set_result(None)
    with pytest.raises(RuntimeError, match="has been stopped"):
        engine.drive(lambda nodes: None, None)
