"""FFA-LoRA: A stays as it was drawn, so that the mean of B alone is exact; and what B learns is full fine-tuning's."""

import numpy as np
import peft
import torch

from strategies.ffa_lora import FFALoRA
from tests.strategies.adapters import begin, errors, layout, merged, tensors, trained
from utils.model.trained.lora import Flags


def test_the_mean_of_the_clients_matrices_to_the_last_digits_of_float32():
    assert max(errors(FFALoRA, 3)) < 1e-6


def test_a_never_changes_by_a_bit():
    method = FFALoRA(None, layout(False), Flags())
    first = state = begin(False)
    for number in (1, 2, 3):
        state = merged(method, state, trained(method, state, number), number)
    for name, tensor in tensors(state, False).items():
        assert np.array_equal(tensor, tensors(first, False)[name]) == (".lora_A." in name)


def test_at_full_rank_a_step_goes_the_way_of_full_fine_tuning():
    """One step of SGD on B changes the layer by lr·scale²·G·Aᵀ·A, where G is its gradient: with orthogonal A by G's."""
    torch.manual_seed(0)
    layer, inputs, target = torch.nn.Linear(12, 7, bias=False), torch.randn(40, 12), torch.randn(40, 7)
    before = layer.weight.detach().clone()
    torch.nn.functional.mse_loss(layer(inputs), target).backward()
    full = layer.weight.grad.clone()
    adapted = peft.inject_adapter_in_model(peft.LoraConfig(r=12, lora_alpha=24, target_modules=["0"]),
                                           torch.nn.Sequential(layer))
    method = FFALoRA(None, layout(False))
    for name, p in adapted.named_parameters():
        p.requires_grad_(not method.freezes(1, name) and ".base_layer." not in name)
        if ".lora_A." in name:
            torch.nn.init.orthogonal_(p)
    optimizer = torch.optim.SGD([p for p in adapted.parameters() if p.requires_grad], lr=0.1)
    optimizer.zero_grad()
    torch.nn.functional.mse_loss(adapted(inputs), target).backward()
    optimizer.step()
    change = adapted[0].base_layer.weight + adapted[0].get_delta_weight("default") - before
    torch.testing.assert_close(change, -0.1 * (24 / 12) ** 2 * full, rtol=1e-4, atol=1e-6)
