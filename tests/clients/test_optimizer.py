"""AdamW on a vector of which some tensors are left as they are in a round: against torch's own on the others."""

import copy

import pytest
import torch

from clients.optimizer import FlatAdamW
from utils.vectors.parameters import ParameterVector

ROUNDS = (("0.weight",), ("1.weight", "1.bias"), (), ("0.weight",))  # what is frozen in each
RATE, DECAY = 0.01, 0.1


def gradients(net: torch.nn.Module, seed: int) -> None:
    """Make those of one step."""
    for p in net.parameters():
        p.grad = None
    net(torch.randn(6, 5, generator=torch.Generator().manual_seed(seed))).square().sum().backward()


def torchs(net: torch.nn.Module, frozen: tuple[str, ...]) -> torch.optim.AdamW:
    """Return torch's optimizer of the other tensors, with decay of matrices alone."""
    trained = [p for name, p in net.named_parameters() if name not in frozen]
    return torch.optim.AdamW([{"params": [p for p in trained if p.ndim == 2], "weight_decay": DECAY},
                              {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0}], RATE, fused=True)


@pytest.mark.parametrize("kept", [False, True])
def test_frozen_tensors_and_their_moments_stay_and_the_others_are_torchs(kept):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Linear(4, 3))
    other, vector = copy.deepcopy(net), ParameterVector(net)
    optimizer, moments = FlatAdamW(vector, DECAY), None
    reference = dict(other.named_parameters())
    tensors = [(place.name, p, place.part) for place, (p, _) in zip(vector.layout.places, vector.parts, strict=True)]
    for number, frozen in enumerate(ROUNDS):
        optimizer.freeze(frozen)
        optimizer.restore(moments, 0)
        values, before, expected = vector.values.clone(), optimizer.moments.clone(), torchs(other, frozen)
        for name, p, part in tensors:
            if name not in frozen:
                mean, square = (moment[part].view_as(p).clone() for moment in before)
                expected.state[reference[name]] = {"step": torch.tensor(0.0), "exp_avg": mean, "exp_avg_sq": square}
        for step in range(3):
            gradients(net, 10 * number + step)
            gradients(other, 10 * number + step)
            optimizer.update(RATE)
            expected.step()
        for name, p, part in tensors:
            assert torch.equal(p, reference[name]), (number, name)
            if name in frozen:
                assert p.grad is None and torch.equal(vector.values[part], values[part])
                assert torch.equal(optimizer.moments[:, part], before[:, part])
        assert optimizer.step == 3 and len(optimizer.tensors) == 4 - len(frozen)
        moments = optimizer.moments.numpy().copy() if kept else None
