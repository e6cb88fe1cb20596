"""What a probe sees of a model, against autograd and hooks on the plain model; and that it leaves no trace."""

import numpy as np
import pytest
import torch

from clients.optimizer import FlatAdamW
from clients.probe import probing
from clients.training import Shard, Trained
from tests.loading import loaded, louder
from tests.tiny import QASC, RTE, STSB, tiny_once
from tests.toy import toy_choices, toy_table
from utils.data.tokens import open_tokens
from utils.model.heads import make_head
from utils.model.loading import is_text_to_text
from utils.vectors.parameters import ParameterVector

#: (family, task, whether it answers in words): each kind of head, encoders packed and not, Conv1D, tied weights
KINDS = {"bert": ("bert", RTE, False), "gpt2": ("gpt2", RTE, False), "score": ("deberta-v2", STSB, False),
         "choices": ("electra", QASC, False), "words": ("bart", RTE, True), "t5": ("t5", RTE, True)}


@pytest.fixture(params=KINDS, scope="module")
def probed(request, tmp_path_factory):
    """(model, its parts, shard, make()): `make` opens a probe of one kind of model."""
    base = tmp_path_factory.mktemp("probe")
    family, spec, words = KINDS[request.param]
    table = toy_choices(base) if spec is QASC else toy_table(base)
    spec = table.spec if spec is QASC else spec
    model, tokenizer = loaded(tiny_once(base, family), spec, seed=3, max_length=32, text_to_text=words)
    louder(model)
    words = is_text_to_text(model)
    tokens = open_tokens(table, "train", tokenizer, max_length=32, text_to_text=words, cache=base / "tokens")
    shard = Shard(tokens, table.split("train")["label"].to_numpy().astype(float), np.arange(3, 9))
    vector = ParameterVector(model)
    trained = Trained(model, vector, FlatAdamW(vector, 0.0), make_head(spec, tokenizer, words))
    return trained, shard, lambda: probing(trained, shard, vector.values.clone(), np.random.default_rng(5))


def test_it_draws_rows_of_the_shard_one_by_one_and_leaves_no_trace(probed):
    trained, shard, make = probed
    before = trained.vector.values.clone()
    with make() as probe, make() as again:
        first = [batch["input_ids"] for batch in probe.rows(4)]
        assert all(map(torch.equal, first, [batch["input_ids"] for batch in again.rows(0)])) and len(first) == 4
        for batch in probe.rows(2):
            list(probe.inputs(batch))
            list(probe.gradient(probe.scores(batch)[0, 0]))
    assert torch.equal(trained.vector.values, before) and all(p.grad is None for p, _ in trained.vector.parts)
    assert not any(module._forward_pre_hooks or getattr(module, "sparse", False) for module in trained.model.modules())


def test_gradients_are_autograds(probed):
    trained, _, make = probed
    with make() as probe:
        for batch in probe.rows(2):
            value = probe.scores(batch)[0, 0]
            mine = torch.zeros_like(probe.values)
            for place, gradient in probe.gradient(value):
                mine[place] += gradient
    trained.model.zero_grad()
    trained.head.scores(trained.model, batch)[0, 0].backward()
    for p, part in trained.vector.parts:
        expected = torch.zeros_like(p) if p.grad is None else p.grad
        torch.testing.assert_close(mine[part].view_as(p), expected, rtol=1e-4, atol=1e-7)
    trained.model.zero_grad()
    assert mine.abs().sum() > 0


def test_inputs_are_those_of_every_linear_layer_without_padding(probed):
    """A layer's outputs for them are what the plain model makes, at as many tokens as the row has."""
    trained, _, make = probed
    layers = {name: module for name, module in trained.model.named_modules()
              if type(module).__name__ in ("Linear", "Conv1D") and f"{name}.weight" in
              {place.name for place in trained.vector.layout.places if place.inputs is not None}}
    places = trained.vector.layout.places
    assert sum(place.inputs is not None for place in places) == len(layers) > 5
    with make() as probe:
        batch = next(iter(probe.rows(1)))
        seen = list(probe.inputs(batch))
        tokens = int(batch["attention_mask"].sum())
        outputs = []
        for name, layer in layers.items():
            layer.register_forward_hook(lambda _, x, y, name=name: outputs.append((name, y)))
        with torch.no_grad():
            trained.head.loss(trained.model, batch)
        for layer in layers.values():
            layer._forward_hooks.clear()
    assert [places[number].name for number, _ in seen] == [f"{name}.weight" for name, _ in outputs]
    assert tokens in {len(x) for _, x in seen}
    for (number, x), (name, made) in zip(seen, outputs):
        assert x.shape[1] == places[number].shape[places[number].inputs]
        made = made.flatten(0, -2)
        made = made[batch["attention_mask"].flatten().bool()] if len(made) > len(x) else made
        with torch.no_grad():
            torch.testing.assert_close(layers[name].forward(x), made, rtol=1e-4, atol=1e-5)
