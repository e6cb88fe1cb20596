"""pretrain.py as it is typed: models that load, the same bits after a kill, and one line for what cannot be."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from safetensors.numpy import load_file
from transformers import AutoModel, AutoTokenizer

import preprocess.common as preprocess
import pretrain
from tests.conftest import ROOT
from tests.processes import outcome_of
from tests.tiny import tiny_once
from tests.toy import toy_table
from utils.config import RunConfig
from utils.machine.durable import held
from utils.model import loading
from utils.model.pretraining import pretraining_of, read_pretraining

TINY = "--task rte --data_dir data --layers 1 --hidden 32 --vocab 150 --max_length 32 --batch_size 8"
TAUGHT = f"{TINY} --teacher teacher"
BUDGETS = {"0": 0, "2k": 2000, "60k": 60000}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the toy's rows, a tiny teacher, and the models of three budgets."""
    base = tmp_path_factory.mktemp("place")
    toy_table(base / "data")
    tiny_once(base, "bert").rename(base / "teacher")
    done = typed(base, "--tokens", ",".join(BUDGETS), "--out", "models")
    assert done.returncode == 0, done.stderr
    (base / "said").write_text(done.stdout)
    return base


def words(*more) -> list[str]:
    """Return a command line."""
    return [sys.executable, str(ROOT / "pretrain.py"), *TAUGHT.split(), *map(str, more)]


def typed(folder, *more):
    """Run pretrain.py in a folder."""
    return outcome_of(words(*more), cwd=folder)


def bits(folder) -> dict:
    """Return the bytes of a model's files but its README, which has the versions of libraries."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "README.md"}


def test_models_have_cards_and_load_as_any_other(place):
    lines = (place / "said").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [f"model=models/{label}" for label in BUDGETS]
    cards = [read_pretraining(place / "models" / label) for label in BUDGETS]
    longest = 8 * 32  # tokens in a step
    for card, budget in zip(cards, BUDGETS.values()):
        assert budget <= card["tokens"] < budget + longest and card["flops"] == 6 * card["parameters"] * card["tokens"]
        assert card["budget"] == budget and (card["asked"]["vocab"], "seed" in card["asked"]) == (150, False)
        assert card["domains"] == ["rte/all"] and card["teacher"] == "teacher" and card["objective"] == "distillation"
    assert cards[0]["teacher_flops"] == cards[0]["sequences"] == 0 < cards[1]["teacher_flops"]
    assert cards[1]["teacher_flops"] == cards[2]["teacher_flops"]  # a pass is 2k tokens at most: all texts, each once
    model = AutoModel.from_pretrained(place / "models" / "60k")
    count = sum(each.numel() for each in model.parameters())
    body = count - sum(each.numel() for each in model.embeddings.parameters())
    assert (cards[2]["parameters"], cards[2]["body_parameters"]) == (count, body)
    assert len(AutoTokenizer.from_pretrained(place / "models" / "60k")) == cards[2]["vocabulary"] <= 150
    config = RunConfig(data="rte", model=str(place / "models" / "60k"), max_length=32)
    loaded, _ = loading.load(loading.Wanted.by(config), preprocess.load("rte").SPEC)
    assert pretraining_of(config, loaded) == cards[2]
    assert pretraining_of(replace(config, random_init=True), loaded) is None


def test_the_loss_falls_and_random_weights_are_the_start(place):
    losses = [float(line.split("loss=")[1].split()[0]) for line in (place / "said").read_text().splitlines()[1:]]
    assert losses[1] < losses[0] < 1.2
    first, last = (load_file(place / "models" / label / "model.safetensors") for label in ("0", "60k"))
    assert first.keys() == last.keys() and all((first[name] != last[name]).any() for name in first
                                               if "token_type" not in name and "position" not in name)


def test_a_killed_training_goes_on_with_the_same_bits(place):
    out = place / "killed"
    process = subprocess.Popen(words("--tokens", ",".join(BUDGETS), "--out", out), cwd=place,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (out / "checkpoint.safetensors").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and not (out / "60k").exists()
    done = typed(place, "--tokens", ",".join(BUDGETS), "--out", out)
    assert done.returncode == 0, done.stderr
    assert "killed/2k: is there" in done.stderr and done.stdout.startswith(f"model={out}/60k ")
    for label in BUDGETS:
        assert bits(out / label) == bits(place / "models" / label)


@pytest.fixture
def called(place, monkeypatch, capsys):
    """Return what calls pretrain.py in this process, and returns its exit code, its stdout and stderr's last line."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(os, "environ", os.environ.copy())

    def call(*more):
        code = pretrain.main([*TAUGHT.split(), *map(str, more)])
        said = capsys.readouterr()
        return code, said.out, [*said.err.splitlines(), ""][-2 if said.err else -1]

    return call


def test_a_budget_between_is_made_from_the_beginning_and_no_other_touched(place, called):
    times = {label: os.stat(place / "models" / label / "model.safetensors").st_mtime_ns for label in BUDGETS}
    further = (place / "models" / "checkpoint.safetensors").read_bytes()
    code, said, _ = called("--tokens", "0,1k,60k", "--out", "models")
    assert code == 0 and said.startswith("model=models/1k ") and said.count("\n") == 1
    assert times == {label: os.stat(place / "models" / label / "model.safetensors").st_mtime_ns for label in BUDGETS}
    assert read_pretraining(place / "models" / "1k")["tokens"] < 1256
    assert (place / "models" / "checkpoint.safetensors").read_bytes() == further


def test_the_teacher_of_random_weights_alone_reads_nothing(place, called):
    code, _, _ = called("--tokens", "0", "--out", "random", "--cache", "unread")
    assert code == 0 and bits(place / "random" / "0") == bits(place / "models" / "0")
    assert list((place / "unread").iterdir()) == []
    code, _, _ = called("--tokens", "0,2k", "--out", "random", "--cache", "unread")
    assert code == 0 and bits(place / "random" / "2k") == bits(place / "models" / "2k")


def test_masked_tokens_are_learnt_without_a_teacher(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    assert pretrain.main([*TINY.split(), *"--objective mlm --tokens 1k --out mlm".split()]) == 0
    card = read_pretraining(place / "mlm" / "1k")
    assert (card["objective"], card["teacher"], card["teacher_flops"]) == ("mlm", "", 0)


def test_what_cannot_be_made_is_one_line(called, place):
    def wrong(*more):
        code, said, line = called(*more)
        assert code == 2 and not said
        return line

    assert "--lr 0.5: the models in models are of 0.001; name another --out" in wrong("--out", "models", "--lr", 0.5)
    assert "--out data: holds something else" in wrong("--out", "data")
    assert "--out teacher/config.json: is a file" in wrong("--out", "teacher/config.json")
    assert "--out /proc/models: cannot be made: No such file" in wrong("--out", "/proc/models")
    assert "--domains 'news': no such domain; the text has rte/all" in wrong("--out", "new", "--domains", "news")
    assert "--text nothing.txt: No such file" in wrong("--out", "new", "--text", "nothing.txt")
    (place / "spoilt.txt").write_bytes(b"\xff\xfe")
    assert "--text spoilt.txt: is no UTF-8" in wrong("--out", "new", "--text", "spoilt.txt")
    assert "--teacher nothing/at/all: no model there" in wrong("--out", "new", "--teacher", "nothing/at/all",
                                                               "--text", "nothing.txt")  # before any text is read
    assert "--cache spoilt.txt: is a file" in wrong("--out", "new", "--cache", "spoilt.txt")
    assert not (place / "new").exists()
    with held(place / "models" / "lock"):
        assert "--out models: another process is at work there" in wrong("--out", "models", "--tokens", "5M")
    made_by = place / "models" / "pretrain.json"
    kept = made_by.read_text()
    made_by.write_text(json.dumps(json.loads(kept) | {"text_fingerprint": "another"}))
    assert "are of another text" in wrong("--out", "models", "--tokens", "5M")
    made_by.write_text(kept)
