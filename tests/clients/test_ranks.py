"""A client of a lower rank trains as if its adapters had that rank, whatever the model's is."""

import pytest
import torch

from clients.ranks import of_own_rank
from strategies.averaging import Averaging
from strategies.flora import FLoRA
from tests.loading import ROWS, loaded
from tests.tiny import tiny_once
from utils.config import RunConfig
from utils.model.adapted import NAME
from utils.model.trainable import choose_trained

ALPHA = 6.0


@pytest.fixture
def adapted(tmp_path_factory):
    """A function: rank → (a tiny BERT with adapters of it, a batch); another rank's A begins with the same rows."""
    def make(rank: int):
        model, tokenizer = loaded(tiny_once(tmp_path_factory.getbasetemp(), "bert"))
        choose_trained(model, RunConfig.of(train="lora", lora_r=str(rank), lora_alpha=ALPHA))
        for layer in adapters(model):
            with torch.no_grad():
                generator = torch.Generator().manual_seed(3)
                layer.lora_A[NAME].weight[:] = torch.randn(9, 32, generator=generator)[:rank] / 6
        batch = dict(tokenizer(list(ROWS), padding=True, return_tensors="pt"))
        return model, batch | {"labels": torch.tensor([0, 1, 0])}
    return make


def adapters(model):
    return [module for module in model.modules() if hasattr(module, "lora_A")]


def train(model, batch) -> None:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.1)
    for _ in range(4):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()


def test_the_second_client_trains_as_one_of_its_rank(adapted):
    (model, batch), (small, _) = adapted(4), adapted(2)
    flags = RunConfig.of(train="lora", strategy="flora", lora_r="4,2", lora_alpha=ALPHA).train_flags
    with of_own_rank(model, FLoRA(None, None, flags), 1):
        train(model, batch)
    train(small, batch)
    for layer, alone in zip(adapters(model), adapters(small), strict=True):
        a, b = layer.lora_A[NAME].weight, layer.lora_B[NAME].weight
        assert not a[2:].any() and not b[:, 2:].any() and b.any()
        torch.testing.assert_close(a[:2], alone.lora_A[NAME].weight, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(b[:, :2], alone.lora_B[NAME].weight, rtol=1e-4, atol=1e-6)
        assert layer.scaling[NAME] == ALPHA / 4 and alone.scaling[NAME] == ALPHA / 2


def test_other_methods_leave_adapters_as_they_are(adapted):
    model, _ = adapted(4)
    with of_own_rank(model, Averaging(None, None), 1):
        assert all(layer.lora_A[NAME].weight[2:].all() for layer in adapters(model))
        assert all(layer.scaling[NAME] == ALPHA / 4 for layer in adapters(model))
