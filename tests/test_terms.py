"""What a strategy adds to a client's training: vectors received and kept, a term, vectors beside the model."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from flwr.common import parameters_to_ndarrays

from clients.job import Piece
from clients.worker import Worker
from engine.flower_strategy import FlowerStrategy, ServerState
from strategies import Strategy
from strategies.fisher import Fisher
from strategies.regmean import RegMean
from strategies.scaffold import Scaffold
from tests.clients.test_worker import job, vector_of  # noqa: F401
from tests.strategies.rounds import answer, state_of
from utils.record.start import Start
from utils.vectors.transport import Transport


def worker_with(job, tmp_path, method=Scaffold, **flags):  # noqa: F811
    worker = Worker(replace(job, config=replace(job.config, **flags), run_dir=str(tmp_path)))
    worker.method = method(method.Flags(), worker.vector.layout)
    worker.answers = Transport(worker.transport.folder, worker.vector.size, vectors=worker.method.returned)
    return worker


@pytest.fixture
def received(job):  # noqa: F811
    """A global vector, and one that the server sends beside it."""
    start = vector_of(Worker(job))
    return [start, np.random.default_rng(1).normal(0, 1e-3, start.size).astype(np.float32) * (start != 0)]


@pytest.mark.parametrize("schedule, rates", [("constant", 2.0), ("linear", 1 + 0.75)])
def test_a_client_renews_its_vector_and_sends_the_change(job, tmp_path, received, schedule, rates):  # noqa: F811
    """Two rounds of two steps each, the first from zero: c₁ = (x − y)/Σrate − c, then on from there."""
    worker, (start, c) = worker_with(job, tmp_path, lr_schedule=schedule), received
    change, = worker.fit(received, 1, 1)["beside"]
    first = (start - vector_of(worker)) / (1e-3 * rates) - c
    np.testing.assert_allclose(change, first, rtol=1e-4, atol=1e-3)
    again, = worker_with(job, tmp_path, lr_schedule=schedule).fit(received, 2, 1, last=1)["beside"]
    kept = worker.states.load(1, 1)["own-0"]
    np.testing.assert_allclose(kept, change, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(worker.states.load(1, 2)["own-0"], kept + again, rtol=1e-3, atol=1e-2)
    assert not np.array_equal(again, change) and worker.states.load(1, 0) == {}


def test_a_round_at_rate_0_changes_no_clients_vector(job, tmp_path, received):  # noqa: F811
    """The one step of a round in which a warm-up begins."""
    worker = worker_with(job, tmp_path, batch_size=99, warmup_ratio=1.0)
    change, = worker.fit(received, 1, 1)["beside"]
    assert not change.any() and not worker.states.load(1, 1)["own-0"].any()
    assert np.array_equal(vector_of(worker), received[0])


def test_a_term_moves_what_the_loss_alone_would_not(job, tmp_path, received):  # noqa: F811
    """Embeddings of tokens that the client's rows lack, too: with the term, all of the vector is trained."""
    start, c = received
    plain, corrected = worker_with(job, tmp_path, Strategy), worker_with(job, tmp_path)
    plain.fit(received[:1], 1, 0)
    corrected.fit(received, 1, 0)
    still = (vector_of(plain) == start) & (c != 0)
    assert still.sum() > 1000 and (vector_of(corrected) != start)[still].mean() > 0.99


@pytest.mark.parametrize("method, flags", [(Scaffold, {}), (Scaffold, {"optimizer_state": "keep", "epoch": 2}),
                                           (Fisher, {}), (RegMean, {})])
def test_a_client_with_more_to_return_that_stops_and_goes_on_elsewhere_ends_with_the_same_bits(
        job, tmp_path, received, method, flags):  # noqa: F811
    whole, one, other = (worker_with(job, tmp_path / folder, method, **flags) for folder in ("whole", "cut", "cut"))
    for folder in ("whole", "cut"):
        (tmp_path / folder).mkdir()
    for server_round in (1, 2):
        expected = whole.fit(received, server_round, 1, last=server_round - 1)
        vector = vector_of(whole)
        one.fit(received, server_round, 1, Piece(0, 0, 1, cut=2), server_round - 1)
        found = other.fit(received, server_round, 1, Piece(0, 1, cut=2), server_round - 1)
        assert np.array_equal(vector_of(other), vector) and np.array_equal(found["beside"], expected["beside"])
        assert len(found["beside"]) == whole.method.returned - 1 and all(map(np.any, found["beside"]))
        assert (found["steps"], found["loss"]) == (expected["steps"], expected["loss"])


def test_a_client_whose_update_is_refused_goes_on_from_the_last_that_was_merged(job, tmp_path, received):  # noqa: F811
    """So the server's c stays the mean of the clients' own, also where a run goes on from its record."""
    worker, start, records = worker_with(job, tmp_path), ServerState(0, received[0]), []
    for number in (1, 2, 3):
        server = FlowerStrategy(worker.method, replace(job.config, min_success=2), start,
                                Transport("", len(start.vector)), len(worker.data.plan.shards), n_parts=1)
        answers = []
        for message in server.fit_messages(number, server.sent):
            config, vectors = message.config, parameters_to_ndarrays(message.parameters)
            done = worker.fit(vectors, number, config["client"], last=config["last"])
            update = [vector_of(worker), *done["beside"]]
            update[1][0] = np.nan if (number, config["client"]) == (2, 1) else update[1][0]
            answers.append(answer(config["client"], update, steps=done["steps"]))
        merged = [one["client"] for one in server.aggregate(number, answers, [])]
        assert merged == ([0, 2] if number == 2 else [0, 1, 2])
        records.append({"round": number, "participants": merged})
        last = Start(worker.model, None, worker.vector, None, start.vector, (), records).merged
        assert last == {0: number, 1: 1 if number == 2 else number, 2: number}
        start = ServerState(number, state_of(server, number).vector, server.read_states(), last)
        own = [worker.states.load(client, last[client])["own-0"] for client in last]
        np.testing.assert_allclose(start.kept[0], np.mean(own, axis=0), rtol=1e-4, atol=1e-3)


def test_clients_answer_with_both_vectors(job, tmp_path, received):  # noqa: F811
    worker = worker_with(job, tmp_path)
    arrays = [array for slot, vector in zip(("global-0", "state-0"), received)
              for array in worker.transport.send(slot, vector)]
    got = worker.received(arrays)
    assert np.array_equal(got, received) and torch.equal(worker._tensor(got[0]), torch.from_numpy(received[0]))
