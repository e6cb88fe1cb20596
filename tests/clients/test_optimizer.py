"""AdamW on a vector of which parts are left as they are in a round: against torch's own on the other tensors."""

import copy

import numpy as np
import pytest
import torch

from clients.optimizer import FlatAdamW
from utils.vectors.parameters import ParameterVector

NAMES = ("0.weight", "0.bias", "1.weight", "1.bias")
ROUNDS = (("0.weight",), ("1.weight", "1.bias"), (), ("0.weight",))  # what is frozen in each


def step(net: torch.nn.Module, seed: int) -> None:
    """Make the gradients of one step."""
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(seed))
    net(x).square().sum().backward()


@pytest.mark.parametrize("kept", [False, True])
def test_frozen_tensors_and_their_moments_stay_and_the_others_are_torchs(kept):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Linear(4, 3))
    other = copy.deepcopy(net)
    vector = ParameterVector(net)
    optimizer = FlatAdamW(vector, weight_decay=0.1)
    moments = None
    for number, frozen in enumerate(ROUNDS):
        optimizer.freeze(frozen)
        optimizer.restore(moments, 0)
        before = vector.values.clone(), optimizer.moments.clone()
        tensors = [p for name, p in other.named_parameters() if name not in frozen]
        groups = [{"params": [p for p in tensors if p.ndim == 2], "weight_decay": 0.1},
                  {"params": [p for p in tensors if p.ndim < 2], "weight_decay": 0.0}]
        expected = torch.optim.AdamW([group for group in groups if group["params"]], lr=0.01, fused=True)
        if kept and moments is not None:
            for p in tensors:
                part = {name: part for name, (_, part) in zip(places(vector), vector.parts)}[name_of(other, p)]
                expected.state[p] = {"step": torch.tensor(0.0), "exp_avg": before[1][0, part].view_as(p).clone(),
                                     "exp_avg_sq": before[1][1, part].view_as(p).clone()}
        for seed in range(3):
            for p in other.parameters():
                p.grad = None
            optimizer.optimizer.zero_grad()
            step(net, 10 * number + seed)
            step(other, 10 * number + seed)
            optimizer.update(0.01)
            expected.step()
        for (p, part), name in zip(vector.parts, places(vector)):
            assert torch.equal(p, dict(other.named_parameters())[name]), (number, name)
            if name in frozen:
                assert p.grad is None and not p.requires_grad
                assert torch.equal(vector.values[part], before[0][part])
                assert torch.equal(optimizer.moments[:, part], before[1][:, part])
        assert optimizer.step == 3 and {tuple(part) for part in optimizer.covered} == {
            (part.start, part.stop) for (_, part), name in zip(vector.parts, places(vector)) if name not in frozen}
        moments = optimizer.moments.numpy().copy() if kept else None
    assert np.isfinite(vector.numpy()).all() and sorted(places(vector)) == sorted(NAMES)


def places(vector: ParameterVector) -> list[str]:
    return [place.name for place in vector.layout.places]


def name_of(net: torch.nn.Module, wanted: torch.nn.Parameter) -> str:
    return next(name for name, p in net.named_parameters() if p is wanted)
