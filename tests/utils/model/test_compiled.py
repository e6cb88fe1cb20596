"""A compiled model against the same one that is not: the same losses, weights and evaluation, but for rounding."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from clients.job import Job
from clients.worker import Worker
from preprocess.common import load
from tests.loading import loaded
from tests.tiny import RTE, tiny_once
from tests.toy import toy_table
from utils.config import RunConfig
from utils.errors import UserError
from utils.machine.compiler import check_compiler
from utils.model import loading

LOSS, WEIGHTS = 1e-4, 1e-2  # relative: of the mean loss; of the distance that the weights have moved


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A job on the toy table with a tiny BERT without dropout, of one layer: of it each kernel is compiled."""
    try:
        check_compiler(n_gpus=0)
    except UserError as error:
        pytest.skip(str(error))
    base = tmp_path_factory.mktemp("compiled")
    toy_table(base / "data", n_test=12)
    model, tokenizer = loaded(tiny_once(base, "bert"), RTE, seed=3, max_length=32)
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = 0.0
    del model.base_model.encoder.layer[1:]
    model.config.num_hidden_layers = 1
    loading.save(model, tokenizer, base / "model")
    (base / "run").mkdir()
    config = RunConfig(data="rte", data_dir=str(base / "data"), max_length=32, batch_size=8, lr=1e-3,
                       precision="fp32", n_iterations=2)
    return Job(config, load("rte").SPEC, str(base), str(base / "run"))


def test_the_same_training_and_evaluation_but_for_rounding(job, tmp_path, monkeypatch):
    """Batches of 8 rows and of 4, of several lengths: two compilations in all, of training and of evaluation."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", os.environ.get("TORCHINDUCTOR_COMPILE_THREADS", "1"))
    plain = Worker(job)
    compiled = Worker(replace(job, config=replace(job.config, compile=True)))
    start = plain.vector.numpy().copy()
    lengths = {compiled.head.padded(int(n)) for n in compiled.data.tokens["train"].lengths}
    assert len(lengths) > 1
    outcomes = []
    for worker in (plain, compiled):
        loss = worker.fit([start], 1, 1)["loss"]
        outcomes.append((loss, worker.vector.numpy().copy(), worker.evaluate(worker.vector.numpy().copy(), 0, 1)))
    (loss, moved, columns), (loss_too, moved_too, columns_too) = outcomes
    assert loss == pytest.approx(loss_too, rel=LOSS)
    assert 0 < np.linalg.norm(moved - moved_too) <= WEIGHTS * np.linalg.norm(moved - start)
    assert np.allclose(columns["test"], columns_too["test"], rtol=1e-2, atol=1e-3)
    assert list(tmp_path.iterdir())  # what was compiled
    counters = torch._dynamo.utils.counters
    assert counters["stats"]["unique_graphs"] == 2 and not counters["graph_break"]
