"""Whole runs that train adapters: model/ and adapter/ give the record's metrics, and a resume changes no bit."""

import json
import sys
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from tests import processes
from tests.adapter_runs import RESUMED, RUNS
from tests.loading import loaded
from tests.processes import outcome_of
from tests.tiny import tiny_once
from tests.toy import toy_rows, toy_table

OWN_BASE = ("fedex_lora", "flora", "turned")  # runs whose strategies move the base


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Rows and models, and the records of the runs; the notes on stderr are in notes."""
    base = tmp_path_factory.mktemp("adapters")
    toy_table(base / "data")
    for family in ("bert", "gpt2"):
        tiny_once(base, family)
    done = outcome_of([sys.executable, "-m", "tests.adapter_runs", base])
    assert done.returncode == 0, done.stderr[-3000:]
    (base / "interrupted").write_text(done.stdout)
    (base / "notes").write_text(done.stderr)
    return base


def measured(model, folder: Path) -> tuple[float, float]:
    """Return accuracy and mean loss on the test rows, by plain transformers, one row at a time."""
    rows, tokenizer = toy_rows(24, 2), AutoTokenizer.from_pretrained(folder)
    pairs = [[row["sentence1"], row["sentence2"]] for row in rows]
    if "GPT2" in type(tokenizer).__name__:  # it sets nothing between texts
        texts = [[tokenizer(text)["input_ids"] for text in pair] for pair in pairs]
        inputs = [{"input_ids": torch.tensor([[*first, tokenizer.eos_token_id, *second]])} for first, second in texts]
    else:
        inputs = [tokenizer(*pair, return_tensors="pt") for pair in pairs]
    with torch.no_grad():
        logits = torch.cat([model(**row).logits for row in inputs])
    labels = torch.tensor([row["label"] for row in rows])
    return ((logits.argmax(-1) == labels).double().mean().item(),
            torch.nn.functional.cross_entropy(logits, labels).item())


def with_adapter(base: str, folder: Path):
    """Return what the code on the adapter's card makes of it."""
    config = AutoConfig.from_pretrained(folder)
    return PeftModel.from_pretrained(AutoModelForSequenceClassification.from_pretrained(base, config=config), folder)


@pytest.mark.parametrize("name", RUNS)
def test_model_and_adapter_give_the_metrics_of_the_record(base, name):
    folder = base / name
    result = json.loads((folder / "summary.json").read_text())["test"]
    wanted = pytest.approx((result["accuracy"], result["loss"]), rel=1e-5)
    plain = AutoModelForSequenceClassification.from_pretrained(folder / "model").eval()
    assert measured(plain, folder / "model") == wanted
    stands_on = base / "tiny" / RUNS[name][0]
    assert (folder / "base").exists() == (name in OWN_BASE)
    if name in OWN_BASE:
        stands_on = folder / "base"
        assert "stand on: --strategy f" in (base / "notes").read_text()
    assert measured(with_adapter(str(stands_on), folder / "adapter").eval(), folder / "adapter") == wanted
    again, _ = loaded(folder / "adapter", trained=True)
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(again.state_dict()[key], value, rtol=0, atol=1e-6)
    card = (folder / "adapter" / "README.md").read_text()
    assert "library_name: peft" in card and f'from_pretrained("{stands_on.name}", config=config)' in card


@pytest.mark.parametrize("name", ["best", "turned"])
def test_the_best_round_has_both_too(base, name):
    run = base / name
    best = AutoModelForSequenceClassification.from_pretrained(run / "best_model").eval()
    wanted = json.loads((run / "summary.json").read_text())["best"]["test"]
    stands_on = run / "best_base" if name in OWN_BASE else base / "tiny" / "gpt2"
    adapted = with_adapter(str(stands_on), run / "best_adapter").eval()
    for model, folder in ((best, "best_model"), (adapted, "best_adapter")):
        assert measured(model, run / folder) == pytest.approx((wanted["accuracy"], wanted["loss"]), rel=1e-5)


@pytest.mark.parametrize("name", [name for name, further in RESUMED.items() if not further])
def test_a_run_that_was_interrupted_ends_with_the_bits_of_one_that_was_not(base, name):
    assert f"interrupted {name}" in (base / "interrupted").read_text()
    assert processes.model(base / name) == processes.model(base / f"{name}-resumed")


def parts(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", [name for name, further in RESUMED.items() if further])
def test_a_run_that_keeps_no_model_has_the_same_record(base, name):
    """Also where it kept models at first, before it was interrupted."""
    assert f"interrupted {name}" in (base / "interrupted").read_text()
    kept, alone = base / name, base / f"{name}-resumed"
    assert parts(kept) - parts(alone) >= {"model", "best_model", "adapter", "best_adapter"}
    assert parts(alone) == {".lock", "config.json", "rounds.jsonl", "predictions.parquet", "summary.json"}
    assert (alone / "predictions.parquet").read_bytes() == (kept / "predictions.parquet").read_bytes()
    assert processes.summary(alone) == processes.summary(kept) and processes.rounds(alone) == processes.rounds(kept)


def test_the_ways_are_different_ones(base):
    assert len({processes.model(base / name) for name, (family, _) in RUNS.items() if family == "bert"}) == 5


def test_clients_learn(base):
    """What they train from is what was averaged: their loss falls from round to round."""
    for name in RUNS:
        _, *rounds = map(json.loads, (base / name / "rounds.jsonl").read_text().splitlines())
        losses = [sum(client["loss"] for client in record["clients"]) for record in rounds]
        assert losses[-1] < losses[0], name
