"""A probe of features that hardly differ from row to row, from end to end: it learns where its head is standardised."""

import json

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import preprocess.common as preprocess
from tests.processes import command, drive, finish, kill, model, newest, start, wait_until
from tests.tiny import tiny_once
from utils.data.table import write_table
from utils.model import loading

FLAGS = "--train head --n_clients 2 --max_length 16 --batch_size 8 --n_iterations 12 --skip_evalnum 12"
WORDS = ("function value module string number".split(), "statement object class method return".split())


def rows(n: int, seed: int) -> list[dict]:
    """Return n rows: words of one kind (label 0) or of another (label 1)."""
    rng = np.random.default_rng(seed)
    return [{"sentence1": " ".join(rng.choice(WORDS[k % 2], 6)), "sentence2": "", "label": k % 2, "domain": "all"}
            for k in range(n)]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with a table and a tiny model whose features are nearly constant; and that one with a head, not new."""
    folder = tmp_path_factory.mktemp("probe")
    spec = preprocess.load("rte").SPEC
    write_table(folder / "data" / "rte", spec, {"train": rows(160, 1), "dev": rows(80, 2)}, "toy")
    at = tiny_once(folder, "bert")
    weights = load_file(at / "model.safetensors")
    weights["encoder.layer.1.output.LayerNorm.weight"] *= 1e-3
    weights["encoder.layer.1.output.LayerNorm.bias"] += 0.5
    save_file(weights, at / "model.safetensors", {"format": "pt"})
    loading.save(*loading.load(loading.Wanted(str(at), 4, 16), spec), folder / "tiny" / "kept")
    return folder


def accuracy(folder) -> float:
    return json.loads((folder / "rounds.jsonl").read_text().splitlines()[-1])["test"]["accuracy"]


def test_a_probe_learns_once_and_with_the_same_bits_on_two_workers_after_a_kill(base):
    process = start(base, "killed", f"{FLAGS} --n_workers 2 --transport message")
    wait_until(lambda: newest(base / "killed") >= 1, process)
    assert process.poll() is None  # it was at work
    kill(process.pid)
    process.communicate()
    resumed = start(base, "killed", f"{FLAGS} --n_workers 2 --resume")
    drive([command(base, "fresh", f"{FLAGS} --n_workers 1"), command(base, "raw", f"{FLAGS} --n_workers 1", "kept")])
    done = finish(resumed)
    assert done.returncode == 0 and "standardised" not in done.stderr, done.stderr[-2000:]
    assert model(base / "fresh") == model(base / "killed")
    assert accuracy(base / "fresh") > 0.9 and accuracy(base / "raw") == 0.5
