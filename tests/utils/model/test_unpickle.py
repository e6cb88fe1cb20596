"""Pickles, good and hostile, through the process that reads them."""

import builtins
import importlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from tests.conftest import ROOT
from utils.errors import UserError
from utils.model.unpickle import REPORT, Request, converted

#: reads file after file once it has shut itself in, as main() does for one; prints what it says of each
EACH = """
import json, sys, warnings
from utils.errors import UserError
from utils.machine.confined import confine
from utils.model.unpickle import ROOM, Request, converted
warnings.simplefilter("ignore")
confine(ROOM, 60, ROOM)
for file in sys.argv[1:]:
    try:
        print(json.dumps(f"done: {len(converted(Request((file,), '', 10_000, 1_000_000)))}"))
    except UserError as error:
        print(json.dumps(str(error)))
"""
#: goes before EACH: torch's reader lets everything through
FAULTY = """
import torch
real = torch.load
torch.load = lambda path, **options: real(path, **options | {"weights_only": False})
"""


class Trap:
    """A value whose pickle calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def saved(path, content, legacy=False):
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def cut(path, content, legacy=False):
    saved(path, content, legacy).write_bytes(path.read_bytes()[:path.stat().st_size // 2])


def packed(path, content):
    saved(path, content)
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)


def convert(*files, largest=10_000, total=100_000):
    """Return ({name: tensor}, report) of files, read in this process, which a test has made."""
    content = converted(Request(tuple(map(str, files)), "", largest, total))
    metadata = json.loads(content[8:8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    return load(content), json.loads(metadata[REPORT])


def read_each(files, before=""):
    """Return what the process says of each file. It could import what lies beside the first."""
    files = [*files]
    done = subprocess.run([sys.executable, "-c", before + EACH, *files], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(files[0].parent)})
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("legacy", [False, True])
def test_bits_names_and_ties_are_the_pickles(tmp_path, legacy):
    torch.manual_seed(0)
    words, half, brain = torch.randn(40, 8), torch.randn(8, 8).half(), torch.randn(8).bfloat16()
    whole = torch.randn(6, 4)
    odd = torch.tensor([1.0, float("inf")])
    pickled = saved(tmp_path / "a.bin", {
        "embeddings.weight": torch.nn.Parameter(words), "half": half, "brain": brain, "odd": odd, "turned": whole.T,
        "part": whole[1:3], "positions": torch.arange(9), "decoder.weight": words, "none": torch.empty(0, 3)}, legacy)
    tensors, report = convert(pickled)
    expected = {"embeddings.weight": words, "half": half.float(), "brain": brain.float(), "odd": odd, "turned": whole.T,
                "part": whole[1:3], "none": torch.empty(0, 3)}
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors.items())
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert report == {"left_out": ["positions"], "tied": {"decoder.weight": "embeddings.weight"}, "not_finite": ["odd"]}


def test_hostile_files_are_refused_and_run_nothing(tmp_path):
    witness, good = str(tmp_path / "witness"), {"a": torch.ones(50, 50)}
    (tmp_path / "sprung.py").write_text(f"open({witness!r}, 'w')")
    inner = saved(tmp_path / "inner.bin", {"x": Trap(os.mkdir, witness)})
    files = {
        "a shell": ({"x": Trap(os.system, f"touch {witness}")}, "asks for posix.system, which is no tensor"),
        "a folder beside weights": (good | {"x": Trap(os.mkdir, witness)}, "asks for posix.mkdir"),
        "code": ({"x": Trap(builtins.eval, f"open({witness!r}, 'w')")}, "asks for eval"),
        "a program": ({"x": Trap(subprocess.Popen, ["touch", witness])}, "asks for commands.Popen"),
        "an import": ({"x": Trap(importlib.import_module, "sprung")}, "asks for importlib.import_module"),
        "a pickle by a pickle": ({"x": Trap(torch.load, str(inner))}, "asks for torch.serialization.load"),
        "a module": (torch.nn.Linear(2, 2), "asks for torch.nn.modules.linear.Linear"),
        "no tensor": (good | {"n": Counter()}, "holds 'n', which is no tensor but a Counter"),
        "no names": ({1: torch.ones(1)}, "a tensor whose name is no text: 1"),
        "odd names": ({"a\n\x1b[31m": torch.ones(1)}, "a tensor whose name is no text: 'a\\n"),
        "a list": ([torch.ones(1)], "holds no table of tensors but a list"),
        "deeper": ({"model": good}, "holds 'model', which is no tensor but a dict"),
        "doubles": ({"a": torch.ones(2).double()}, "as torch.float64, torch.strided; only dense"),
        "sparse": ({"a": torch.eye(3).to_sparse()}, "torch.sparse_coo; only dense"),
        "much from one number": ({"a": torch.ones(1).expand(10 ** 12)}, "with 1,000,000,000,000 numbers, and"),
        "many": ({f"a{i}": torch.ones(1).expand(10_000) for i in range(101)}, "more numbers than its config.json"),
        "nothing": ({}, "holds no tensors of numbers"),
    }
    for name, (content, _) in files.items():
        saved(tmp_path / f"{name}.bin", content)
    others = {
        "an older shell": (saved, {"x": Trap(os.system, f"touch {witness}")}, True, "asks for posix.system"),
        "cut": (cut, good, False, "cut.bin is broken off, or no checkpoint of torch's"),
        "an older one, cut": (cut, good, True, "cut.bin is broken off, or no checkpoint of torch's"),
        "packed": (lambda path, content, _: packed(path, content), good, False, "is packed, and would be larger"),
        "empty": (lambda path, *_: path.touch(), good, False, "is broken off, or no checkpoint of torch's"),
        "text": (lambda path, *_: path.write_text("text"), good, False, "is broken off, or no checkpoint of torch's"),
    }
    for name, (make, content, legacy, _) in others.items():
        make(tmp_path / f"{name}.bin", content, legacy)
    words = {name: words for name, (*_, words) in [*files.items(), *others.items()]}
    said = dict(zip(words, read_each(tmp_path / f"{name}.bin" for name in words), strict=True))
    wrong = {name: said[name] for name in words if words[name] not in said[name]}
    assert not wrong and not os.path.exists(witness)


def test_where_torchs_reader_fails_the_kernel_still_holds(tmp_path):
    """Only that reader is replaced; all of the process is as it is."""
    witness, mine = str(tmp_path / "witness"), str(tmp_path / "mine")
    Path(mine).touch()
    traps = (Trap(os.mkdir, witness), Trap(os.system, f"touch {witness}"), Trap(io.open, witness, "w"),
             Trap(os.unlink, mine), Trap(subprocess.Popen, ["touch", witness]))
    files = [saved(tmp_path / f"{k}.bin", {"a": torch.ones(3), "x": trap}) for k, trap in enumerate(traps)]
    done = read_each(files, before=FAULTY)
    assert ["Operation not permitted" in line or "no tensor but a int" in line for line in done] == [True] * 5, done
    assert not os.path.exists(witness) and os.path.exists(mine)


def test_a_name_may_not_stand_in_two_files(tmp_path):
    parts = [saved(tmp_path / f"{k}.bin", {"a": torch.ones(2), f"b{k}": torch.ones(3)}) for k in range(2)]
    with pytest.raises(UserError, match="holds 'a' twice"):
        convert(*parts)
