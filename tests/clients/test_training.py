"""The training loop against plain PyTorch and Hugging Face: losses, gradients, steps, order, state."""

import math

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    get_constant_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)

from clients.optimizer import FlatAdamW
from clients.training import Shard, Trained, Turn, local_training, steps_per_round
from tests.loading import loaded
from tests.tiny import RTE, tiny_once
from tests.toy import toy_table
from utils.config import RunConfig
from utils.data.batches import training_batches
from utils.data.tokens import open_tokens
from utils.model import loading
from utils.model.heads import make_head
from utils.seeds import generator
from utils.vectors.parameters import ParameterVector

ROWS = np.arange(3, 25)  # 22 rows: the last batch of 4 has 2, the last accumulation of 4 batches has 2


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny BERT without dropout, in the folder its copies load from, and a shard of toy rows with their texts."""
    base = tmp_path_factory.mktemp("training")
    table = toy_table(base)
    torch.set_num_threads(1)
    model, tokenizer = loaded(tiny_once(base, "bert"), RTE, seed=3, max_length=32)
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = 0.0
    folder = base / "without-dropout"
    loading.save(model, tokenizer, folder)
    tokens = open_tokens(table, "train", tokenizer, max_length=32, text_to_text=False, cache=base / "tokens")
    rows = table.split("train")
    shard = Shard(tokens, rows["label"].to_numpy().astype(float), ROWS)
    return folder, shard, list(zip(rows["sentence1"].to_pylist(), rows["sentence2"].to_pylist()))


def trained(tiny, config, *, rounds=((1, 0),), optimizer_class=FlatAdamW):
    """Return (vector after the (round, client) calls in turn, last loss, the optimizer)."""
    folder, shard, _ = tiny
    model, tokenizer = loaded(folder, RTE, seed=3, max_length=32)
    vector = ParameterVector(model)
    optimizer = optimizer_class(vector, config.weight_decay)
    start = vector.values.clone()
    for server_round, client in rounds:
        vector.values.copy_(start)
        optimizer.restore(None, 0)
        loss = local_training(Trained(model, vector, optimizer, make_head(RTE, tokenizer, False)), shard,
                              Turn(config, server_round, client))
    return vector.values.clone(), loss, optimizer


def plain_pytorch(tiny, config):
    """The same round by Hugging Face's tokenizer and loss and PyTorch's own optimizer, one effective batch at once."""
    folder, shard, texts = tiny
    model = AutoModelForSequenceClassification.from_pretrained(folder).train()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=0.0, foreach=False, fused=False)
    losses = []
    for epoch in range(config.epoch):
        rng = generator(config.seed, "batches", 1, 0, epoch)
        batches = [ROWS[batch] for batch in training_batches(shard.tokens.lengths[ROWS], config.batch_size, rng)]
        for start in range(0, len(batches), config.batch_accum):
            rows = np.concatenate(batches[start:start + config.batch_accum])
            encoded = tokenizer([texts[row] for row in rows], padding=True, truncation=True, max_length=32,
                                return_tensors="pt")
            loss = model(**encoded, labels=torch.tensor(shard.labels[rows], dtype=torch.int64)).loss
            optimizer.zero_grad()
            loss.backward()
            if config.max_grad_norm:
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
            optimizer.step()
            losses.append((loss.item(), len(rows)))
    mean = sum(loss * rows for loss, rows in losses) / sum(rows for _, rows in losses)
    return ParameterVector(model).values, mean


@pytest.mark.parametrize("flags", [
    {"batch_size": 22}, {"batch_size": 4}, {"batch_size": 4, "batch_accum": 4}, {"batch_size": 4, "epoch": 2},
    {"batch_size": 4, "max_grad_norm": 0.01}, {"batch_size": 4, "fp32_products": "onednn"}])
def test_a_round_equals_plain_pytorch_and_hugging_face(tiny, flags):
    """The same losses and weights; with accumulation, the same as one large batch, also for the incomplete last."""
    config = RunConfig(lr=1e-3, seed=5, precision="fp32", **flags)
    values, loss, optimizer = trained(tiny, config)
    expected, expected_loss = plain_pytorch(tiny, config)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    # Adam divides by the gradient's own size, so where that is rounding noise the step is too: compare in bulk.
    moved = (values - expected).norm() / (expected - models_start(tiny)).norm()
    assert moved < 0.01
    assert optimizer.steps[0] == steps_per_round(len(ROWS), config)


def models_start(tiny):
    model, _ = loaded(tiny[0], RTE, seed=3, max_length=32)
    return ParameterVector(model).values


def test_the_gradient_of_a_step_equals_hugging_faces(tiny):
    folder, shard, texts = tiny
    model, tokenizer = loaded(folder, RTE, seed=3, max_length=32)
    vector, head = ParameterVector(model), make_head(RTE, tokenizer, False)
    head.loss(model.train(), head.collate(shard.tokens, ROWS, shard.labels[ROWS])).backward()
    plain = AutoModelForSequenceClassification.from_pretrained(folder).train()
    encoded = tokenizer([texts[row] for row in ROWS], padding=True, return_tensors="pt")
    plain(**encoded, labels=torch.tensor(shard.labels[ROWS], dtype=torch.int64)).loss.backward()
    for (name, p), (_, q) in zip(model.named_parameters(), plain.named_parameters(), strict=True):
        assert torch.allclose(p.grad, q.grad, rtol=1e-5, atol=1e-8), name
    gradients = torch.cat([p.grad.reshape(-1) for p, _ in vector.parts])
    assert gradients.norm() == pytest.approx(torch.cat([q.grad.reshape(-1) for q in plain.parameters()]).norm())


@pytest.mark.parametrize("library", ["torch", "onednn"])
def test_a_clients_update_is_a_pure_function(tiny, library):
    """Whatever ran before in the process, and different for another round, client or seed."""
    config = RunConfig(lr=1e-3, batch_size=4, seed=5, precision="fp32", fp32_products=library)
    alone, _, _ = trained(tiny, config, rounds=[(2, 1)])
    torch.rand(7)
    after_others, _, _ = trained(tiny, config, rounds=[(1, 0), (1, 1), (2, 1)])
    assert torch.equal(alone, after_others)
    assert not torch.equal(alone, trained(tiny, config, rounds=[(2, 0)])[0])
    assert not torch.equal(alone, trained(tiny, config, rounds=[(1, 1)])[0])


def test_dropout_is_drawn_from_the_seed_too(tmp_path):
    table = toy_table(tmp_path)
    model, tokenizer = loaded(tiny_once(tmp_path, "bert"), RTE, seed=3, max_length=32)
    assert model.config.hidden_dropout_prob > 0
    tokens = open_tokens(table, "train", tokenizer, max_length=32, text_to_text=False, cache=tmp_path / "tokens")
    shard = Shard(tokens, table.split("train")["label"].to_numpy().astype(float), ROWS)
    vector = ParameterVector(model)
    start, optimizer, results = vector.values.clone(), FlatAdamW(vector, 0.0), []
    for _ in range(2):
        vector.values.copy_(start)
        optimizer.restore(None, 0)
        local_training(Trained(model, vector, optimizer, make_head(RTE, tokenizer, False)), shard,
                       Turn(RunConfig(precision="fp32", batch_size=4), 1, 0))
        results.append(vector.values.clone())
    assert torch.equal(*results)


class Recording(FlatAdamW):
    """Notes the learning rate of each step."""

    def update(self, lr):
        self.rates = [*getattr(self, "rates", []), lr]
        super().update(lr)


def test_linear_schedule_runs_down_over_the_whole_run(tiny):
    config = RunConfig(lr=1e-6, batch_size=4, lr_schedule="linear", n_iterations=2, precision="fp32")
    _, _, optimizer = trained(tiny, config, rounds=[(1, 0), (2, 0)], optimizer_class=Recording)
    assert steps_per_round(len(ROWS), config) == 6
    assert np.allclose(optimizer.rates, 1e-6 * (1 - np.arange(12) / 12))


@pytest.mark.parametrize("flags, theirs", [
    ({"lr_schedule": "linear", "warmup_ratio": 0.3}, get_linear_schedule_with_warmup),  # 4 of 12 steps
    ({"lr_schedule": "linear", "warmup_ratio": 1.0}, get_linear_schedule_with_warmup),
    ({"warmup_ratio": 0.25}, get_constant_schedule_with_warmup)])
def test_a_warm_up_is_that_of_transformers(tiny, flags, theirs):
    config = RunConfig(lr=1e-6, batch_size=4, n_iterations=2, precision="fp32", **flags)
    _, _, optimizer = trained(tiny, config, rounds=[(1, 0), (2, 0)], optimizer_class=Recording)
    reference = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-6)
    total = (12,) if theirs is get_linear_schedule_with_warmup else ()
    schedule, rates = theirs(reference, math.ceil(config.warmup_ratio * 12), *total), []
    for _ in range(12):
        rates += schedule.get_last_lr()
        reference.step()
        schedule.step()
    assert optimizer.rates[0] == 0 and np.allclose(optimizer.rates, rates, rtol=1e-12, atol=0)


def test_weight_decay_is_for_matrices_only(tiny):
    """One step of decay λ takes lr·λ·w off each matrix and embedding (decoupled decay), and nothing off a bias."""
    one_step = {"lr": 1e-2, "batch_size": 22, "precision": "fp32"}
    plain, _, _ = trained(tiny, RunConfig(**one_step))
    decayed, _, _ = trained(tiny, RunConfig(weight_decay=0.5, **one_step))
    start = models_start(tiny)
    cut = ParameterVector(loaded(tiny[0], RTE, seed=3, max_length=32)[0]).n_decayed
    assert torch.allclose(plain[:cut] - decayed[:cut], 1e-2 * 0.5 * start[:cut], atol=1e-6)
    assert torch.equal(plain[cut:], decayed[cut:])


@pytest.mark.parametrize("lr, batch_size, loss", [(1e30, 4, "nan"), (1e20, 22, r"\d")])
def test_a_loss_or_a_parameter_out_of_bounds_is_an_error(tiny, lr, batch_size, loss):
    """One step at 1e20 leaves a finite loss, and weights whose distance from a mean is infinite in float32."""
    with pytest.raises(FloatingPointError, match=f"diverged .training loss {loss}"):
        trained(tiny, RunConfig(lr=lr, batch_size=batch_size, precision="fp32"))
