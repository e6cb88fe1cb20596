"""FedEx-LoRA: the matrices with their adapters are the mean of the clients', where plain means are not."""

import numpy as np
import peft
import pytest
import torch

from strategies.averaging import Averaging
from strategies.fedex_lora import FedExLoRA
from tests.strategies.adapters import RANK, begin, effective, errors, layout, merged, tensors, trained
from utils.model.trained.lora import Flags


def test_the_mean_of_the_clients_matrices_to_the_last_digits_of_float32():
    assert max(errors(FedExLoRA, 3)) < 1e-6


def test_plain_means_of_a_and_b_are_far_from_it():
    """FedIT's first round from B = 0 has A moved by as much as it is: a third and more of the update is amiss."""
    assert min(errors(Averaging, 3)) > 0.3


def test_a_and_b_are_the_means_and_one_client_is_itself():
    method = FedExLoRA(None, layout(), Flags(lora_r=str(RANK)))
    clients = trained(method, begin(), 1)
    new, plain = merged(method, begin(), clients, 1), merged(Averaging(None, layout()), begin(), clients, 1)
    for name, tensor in tensors(new).items():
        if not name.endswith(".base_layer.weight"):
            np.testing.assert_allclose(tensor, tensors(plain)[name], rtol=0, atol=1e-6)
    same = merged(method, begin(), [clients[0]] * 3, 1)
    np.testing.assert_allclose(same, clients[0], rtol=0, atol=1e-6)


def test_peft_s_own_average_is_no_mean():
    """`add_weighted_adapter` at weights 1/K: A and B are sums over √K each, so that K equal adapters count K times."""
    model = peft.PeftModel(torch.nn.Sequential(torch.nn.Linear(6, 5)), peft.LoraConfig(r=2, target_modules=["0"]), "0")
    names = [str(k) for k in range(4)]
    for name in names[1:]:
        model.add_adapter(name, peft.LoraConfig(r=2, target_modules=["0"]))
    layer, (a, b) = model.base_model.model[0], (torch.randn(2, 6), torch.randn(5, 2))
    for name in names:
        layer.lora_A[name].weight.data, layer.lora_B[name].weight.data = a.clone(), b.clone()
    model.add_weighted_adapter(names, [1 / 4] * 4, "mean", combination_type="linear")
    torch.testing.assert_close(layer.get_delta_weight("mean"), 4 * layer.get_delta_weight("0"))
    method = FedExLoRA(None, layout(), Flags(lora_r=str(RANK)))
    client = trained(method, begin(), 1)[0]
    new = effective(merged(method, begin(), [client] * 3, 1), 1.0)
    np.testing.assert_allclose(new["plain"], effective(client, 1.0)["plain"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("number", [1, 2])
def test_the_base_is_not_the_clients_to_train(number):
    method = FedExLoRA(None, layout())
    assert method.frozen(number) == {f"{name}.base_layer.weight" for name in ("plain", "turned", "square")}
