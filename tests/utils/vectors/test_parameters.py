"""A model as one vector: views, ties, gradients, and the order of its parts."""

import numpy as np
import torch
from transformers.pytorch_utils import Conv1D

from utils.vectors.parameters import ParameterVector, zeros


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(7, 3)
        self.norm = torch.nn.LayerNorm(3)
        self.output = torch.nn.Linear(3, 7)
        self.output.weight = self.embedding.weight
        self.frozen = torch.nn.Linear(3, 3).requires_grad_(False)

    def forward(self, ids):
        return self.output(self.norm(self.frozen(self.embedding(ids))))


def test_parameters_are_views_and_tied_weights_count_once():
    model = Tied()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    vector = ParameterVector(model)
    assert vector.n_parameters == 7 * 3 + 3 + 3 + 7
    assert (vector.n_decayed, vector.size) == (32, 32 + 3 * 16)  # 64-byte lines
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    assert model.output.weight is model.embedding.weight
    vector.values[0] = 42.0
    assert model.embedding.weight[0, 0] == 42.0


def test_what_is_loaded_is_the_models():
    model = Tied()
    vector = ParameterVector(model)
    new = np.random.default_rng(0).standard_normal(vector.size).astype(np.float32)
    vector.load(new)
    assert np.array_equal(vector.numpy(), new)
    assert model.embedding.weight.detach().numpy().ravel().tolist() == new[:21].tolist()


def test_parts_say_where_each_parameter_and_its_gradient_belong():
    torch.manual_seed(0)
    model, plain = Tied(), Tied()
    plain.load_state_dict(model.state_dict())
    vector = ParameterVector(model)
    ids = torch.tensor([1, 2, 6])
    model(ids).square().mean().backward()
    plain(ids).square().mean().backward()
    trained = [p for p in plain.parameters() if p.requires_grad]
    ordered = [p for p in trained if p.ndim >= 2] + [p for p in trained if p.ndim < 2]
    for (parameter, part), expected in zip(vector.parts, ordered, strict=True):
        assert torch.equal(parameter.grad, expected.grad)
        assert torch.equal(vector.values[part], expected.detach().reshape(-1)) and part.start % 16 == 0


def test_a_linear_layers_place_names_the_axis_of_its_inputs():
    model = torch.nn.ModuleDict({"turned": Conv1D(3, 2), "plain": torch.nn.Linear(2, 3),
                                 "table": torch.nn.Embedding(4, 2)})
    assert {place.name: place.inputs for place in ParameterVector(model).layout.places} == {
        "turned.weight": 0, "plain.weight": 1, "table.weight": None, "turned.bias": None, "plain.bias": None}


def test_zeros_are_zeros_of_which_each_can_be_written():
    numbers = zeros(2, 5000, device=torch.device("cpu"))
    assert (numbers.shape, numbers.dtype, numbers.any()) == ((2, 5000), torch.float32, False)
    numbers[1, 4999] = 7.0
    assert numbers.sum() == 7.0
