"""Weights that no client trains: the same bits through a file, in one copy for all processes that map it."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from utils.vectors.frozen import FrozenWeights
from utils.vectors.parameters import ParameterVector

MAPS = """
import sys
import torch
from pathlib import Path
from utils.vectors.frozen import FrozenWeights

with torch.device("meta"):
    layer = torch.nn.Linear(2048, 2048).requires_grad_(False)
layer.to_empty(device="cpu")
frozen = FrozenWeights(layer)
frozen.map(Path(sys.argv[1]))
print(frozen.fingerprint, flush=True)
sys.stdin.readline()
"""


def network(seed: int) -> torch.nn.Module:
    """Return an odd-sized network whose output layer, tied to its embeddings, is frozen; its head is trained."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Embedding(7, 5), torch.nn.LayerNorm(5), torch.nn.Linear(5, 7, bias=False),
                              torch.nn.Linear(7, 3))
    net[2].weight = net[0].weight
    for part in net[:3]:
        part.requires_grad_(False)
    return net


def test_another_model_gets_the_bits_and_ties_stay(tmp_path):
    one, other = network(0), network(1)
    mine, theirs = FrozenWeights(one), FrozenWeights(other)
    ids, expected = torch.arange(7), one[:3](torch.arange(7))
    assert [place.name for place in mine.layout.places] == ["0.weight", "1.weight", "1.bias"]
    assert mine.n_parameters == 45 and mine.nbytes == 4 * (48 + 16 + 16)
    mine.share(tmp_path / "frozen")
    assert (tmp_path / "frozen").stat().st_size == mine.nbytes
    theirs.map(tmp_path / "frozen")
    (tmp_path / "frozen").unlink()
    for net in (one, other):
        assert torch.equal(net[:3](ids), expected) and net[2].weight is net[0].weight
    assert not torch.equal(one[3].weight, other[3].weight)
    assert ParameterVector(other).n_parameters == 24 and not other[0].weight.requires_grad


def test_aligned_they_are_the_same_and_lie_on_lines(tmp_path):
    net = network(0)
    frozen = FrozenWeights(net)
    expected = net[:3](torch.arange(7))
    frozen.align()
    assert torch.equal(net[:3](torch.arange(7)), expected)
    first = frozen.parameters[0].data_ptr()
    assert [(p.data_ptr() - first) % 64 for p in frozen.parameters] == [0, 0, 0]


def test_the_fingerprint_is_that_of_names_shapes_and_values(tmp_path):
    prints = [FrozenWeights(network(seed)).fingerprint for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]
    everything = torch.nn.Linear(2, 2)
    none = FrozenWeights(everything)
    none.share(tmp_path / "none")
    none.map(tmp_path / "none")
    assert (none.fingerprint, none.nbytes, none.n_parameters) == ("", 0, 0) and not (tmp_path / "none").exists()
    frozen = FrozenWeights(everything.requires_grad_(False))
    assert frozen.fingerprint and frozen.fingerprint != FrozenWeights(torch.nn.Sequential(everything)).fingerprint


def test_a_file_that_is_too_short_is_an_error_and_not_a_crash(tmp_path):
    frozen = FrozenWeights(network(0))
    (tmp_path / "frozen").write_bytes(b"\0" * 100)
    with pytest.raises(ValueError):
        frozen.map(tmp_path / "frozen")


def test_processes_that_map_them_have_them_in_memory_once(tmp_path):
    """Each one's part of the pages (PSS), of 16 MB, is what it shares with the others."""
    layer = torch.nn.Linear(2048, 2048).requires_grad_(False)
    frozen, path = FrozenWeights(layer), tmp_path / "frozen"
    frozen.share(path)
    processes = [subprocess.Popen([sys.executable, "-c", MAPS, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True) for _ in range(2)]
    try:
        assert {process.stdout.readline().strip() for process in processes} == {frozen.fingerprint}
        kilobytes = []
        for process in processes:
            with open(f"/proc/{process.pid}/smaps", encoding="utf-8") as file:
                area = file.read().split(str(path))[1].split("VmFlags")[0]
            kilobytes.append({name: int(value) for name, value in re.findall(r"(\w+): +(\d+) kB", area)})
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert all(area["Rss"] > 16_000 and area["Private_Dirty"] == 0 for area in kilobytes)
    assert sum(area["Pss"] for area in kilobytes) < 1.1 * frozen.nbytes / 1024
    assert np.isfinite(layer.weight.numpy()).all()
