"""Merged models against float64 definitions on whole vectors, of every family and kind of file."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from merging.card import table_of
from merging.plan import plan_of
from merging.write import write_model
from tests.loading import loaded
from tests.merging.children import asked, child, moved, weights
from tests.tiny import FAMILIES, tiny_once
from utils.errors import UserError
from utils.machine.new_folder import new_folder
from utils.model.loading import save


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def merge(out, *words):
    """Merge as `words` ask; return the weights."""
    question = asked(*words, "--out", out)
    with new_folder(out) as folder:
        write_model(plan_of(question, folder.parent), question.config, folder)
    return weights(out)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_mean_of_every_family_loads_and_is_torchs(base, tmp_path, family):
    folders = [child(base, family, k) for k in range(3)]
    found = merge(tmp_path / "out", *folders, "--weights", "0.3,.1,0.40")
    each = [weights(folder) for folder in folders]
    assert found.keys() == each[0].keys()  # mT5's output layer is not its embeddings
    for name, tensor in found.items():
        expected = sum(w * one[name] for w, one in zip((3, 1, 4), each)) / 8
        torch.testing.assert_close(tensor, expected, rtol=1e-6, atol=1e-8, msg=name)


@pytest.mark.parametrize("saved", [{"dtype": torch.float16}, {"dtype": torch.bfloat16}, {"max_shard_size": "60KB"}])
def test_other_kinds_of_files_are_read_as_transformers_reads_them(base, tmp_path, saved):
    folders = [child(base, "bert", 0), child(base, "bert", 1, **saved)]
    if "max_shard_size" in saved:
        assert (folders[1] / "model.safetensors.index.json").exists()
    found, each = merge(tmp_path / "out", *folders, "--strategy", "median"), [weights(folder) for folder in folders]
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, (each[0][name] + each[1][name]) / 2, rtol=1e-6, atol=1e-8, msg=name)
    with safe_open(tmp_path / "out" / "model.safetensors", "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F32"}


def test_a_server_optimizer_steps_from_the_base_and_what_that_lacks_is_the_mean(base, tmp_path):
    folders, start = [child(base, "bert", k) for k in range(2)], tiny_once(base, "bert")
    found = merge(tmp_path / "out", *folders, "--strategy", "fedavgm", "--server_lr", 0.5, "--base", start)
    each = [weights(folder) for folder in folders]
    with safe_open(start / "model.safetensors", "pt") as file:
        before = {f"bert.{name}": file.get_tensor(name).double() for name in file.keys()}
    assert {*found} - {*before} == {"classifier.weight", "classifier.bias"}
    for name, tensor in found.items():
        mean = (each[0][name] + each[1][name]) / 2
        expected = before[name] + 0.5 * (mean - before[name]) if name in before else mean
        torch.testing.assert_close(tensor, expected, rtol=1e-5, atol=1e-7, msg=name)


def test_runs_of_a_model_s_first_layers_are_updates_of_those(base, tmp_path, caplog):
    caplog.set_level("INFO", logger="lm")
    start, folders = tiny_once(base, "bert"), []
    for seed in (1, 2):
        run = tmp_path / f"seed{seed}"
        model, tokenizer = loaded(start, seed=seed, layers=1)
        moved(model, seed)
        save(model, tokenizer, run / "model")
        (run / "config.json").write_text(json.dumps(
            {"flags": {"model": str(start), "layers": 1}, "shards": [{"a": 3 * seed}]}))
        folders.append(run)
    found = merge(tmp_path / "out", *folders, "--strategy", "task_arithmetic", "--scale", 0.5)
    each, name = [weights(folder / "model") for folder in folders], "bert.encoder.layer.0.output.dense.weight"
    with safe_open(start / "model.safetensors", "pt") as file:
        before = file.get_tensor(name.removeprefix("bert.")).double()
    expected = before + 0.5 * sum(one[name] - before for one in each)
    torch.testing.assert_close(found[name], expected, rtol=1e-5, atol=1e-7)
    assert not any("layer.1" in key for key in found)
    assert f"{start}: its first 1 of 2 layers; 16 tensors of the others are left out" in caplog.text
    assert "bert-layers1 | 3 |" in str(table_of(plan_of(asked(*folders, "--out", tmp_path / "b"), tmp_path)))


def test_a_robust_mean_covers_the_head_that_the_base_lacks(base, tmp_path):
    """Of four models one has a head that was tampered with: its body alone would make it the likeliest choice."""
    folders, start = [child(base, "bert", k) for k in range(3)], tiny_once(base, "bert")
    bad = shutil.copytree(folders[0], tmp_path / "bad")
    tensors = load_file(bad / "model.safetensors")
    tensors["classifier.weight"] += 1e3
    save_file(tensors, bad / "model.safetensors", {"format": "pt"})
    found = merge(tmp_path / "out", *folders, bad, "--strategy", "krum", "--base", start)
    assert any(all(torch.equal(found[name], one[name]) for name in found) for one in map(weights, folders))


def test_the_head_that_is_named_is_kept_and_the_bodies_are_merged(base, tmp_path):
    folders = [child(base, "bert", 0), child(base, "bert", 1, ("a", "b", "c"))]
    found, each = merge(tmp_path / "out", *folders, "--head", folders[1]), [weights(folder) for folder in folders]
    for name, tensor in found.items():
        expected = each[1][name] if name.startswith("classifier") else (each[0][name] + each[1][name]) / 2
        torch.testing.assert_close(tensor, expected, rtol=1e-6, atol=1e-8, msg=name)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["id2label"] == {"0": "a", "1": "b", "2": "c"}


def test_matching_the_norm_makes_the_step_as_long_as_the_means(base, tmp_path):
    folders, start = [child(base, "bert", k) for k in range(3)], tiny_once(base, "bert")
    question = asked(*folders, "--strategy", "ties", "--base", start, "--match_norm", "--out", tmp_path / "out")
    with new_folder(tmp_path / "out") as folder:
        done = write_model(plan_of(question, folder.parent), question.config, folder)
    assert done.step.ratio == pytest.approx(1) and done.step.scale != pytest.approx(1, rel=1e-3)
    with safe_open(start / "model.safetensors", "pt") as file:
        before = {f"bert.{name}": file.get_tensor(name).double() for name in file.keys()}
    found, each = weights(tmp_path / "out"), [weights(folder) for folder in folders]
    step = np.sqrt(sum(float(((found[name] - start) ** 2).sum()) for name, start in before.items()))
    mean = np.sqrt(sum(float(((sum(one[name] for one in each) / 3 - start) ** 2).sum())
                       for name, start in before.items()))
    assert step == pytest.approx(mean, rel=1e-5)


def test_what_becomes_too_large_is_one_line_that_names_the_method(base, tmp_path, recwarn):
    folders = [child(base, "bert", k) for k in range(2)]
    with pytest.raises(UserError, match="^--strategy task_arithmetic: what it makes of these models is no finite num"):
        merge(tmp_path / "out", *folders, "--strategy", "task_arithmetic", "--scale", 1e41, "--base", folders[0])
    assert not (tmp_path / "out").exists()
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]


def linear(each, start):
    """mergekit's `linear` with weight: 3, 1, 4."""
    return (3 * each[0] + each[1] + 4 * each[2]) / 8


def task_arithmetic(each, start):
    """mergekit's `task_arithmetic` with weight: 0.4."""
    return start + 0.4 * sum(one - start for one in each)


def ties(each, start):
    """mergekit's `ties` with density: 0.2, weight: 1 and normalize: true."""
    kept = []
    for delta in (one - start for one in each):
        number = max(1, int(0.2 * delta.numel()))  # mergekit keeps nothing of what has fewer than five elements
        least = delta.abs().flatten().sort(descending=True).values[number - 1]
        kept.append(torch.where(delta.abs() >= least, delta, 0))
    signs = torch.stack(kept).sum(0).sign()
    agree = torch.stack([(one.sign() == signs) & (one != 0) for one in kept])
    return start + (torch.stack(kept) * agree).sum(0) / agree.sum(0).clamp(min=1)


@pytest.mark.parametrize("formula, words", [
    (linear, "--strategy averaging --weights 3,1,4"), (task_arithmetic, "--strategy task_arithmetic --scale 0.4"),
    (ties, "--strategy ties --density 0.2")])
def test_it_is_mergekits_formula(base, tmp_path, formula, words):
    folders, start = [child(base, "bert", k) for k in range(3)], child(base, "bert", 7)
    found = merge(tmp_path / "out", *folders, *words.split(), "--base", start)
    each, before = [weights(folder) for folder in folders], weights(start)
    for name, tensor in found.items():
        expected = formula([one[name] for one in each], before[name])
        torch.testing.assert_close(tensor, expected, rtol=1e-6, atol=2e-7, msg=name)


def test_karcher_of_two_models_is_mergekits_slerp_where_their_norms_are_equal(base, tmp_path):
    """mergekit adds the vectors as long as they are, this the directions, with the mean of the lengths."""
    one = child(base, "bert", 0)
    other = shutil.copytree(child(base, "bert", 1), tmp_path / "other")
    tensors, lengths = load_file(other / "model.safetensors"), load_file(one / "model.safetensors")
    save_file({name: tensor * (lengths[name].norm() / tensor.norm()) for name, tensor in tensors.items()},
              other / "model.safetensors", {"format": "pt"})
    found = merge(tmp_path / "out", one, other, "--strategy", "karcher", "--weights", "3,1")
    first, second = weights(one), weights(other)
    for name, tensor in found.items():
        a, b = first[name], second[name]
        angle = torch.arccos((a * b).sum() / a.norm() / b.norm())
        expected = (torch.sin(0.75 * angle) * a + torch.sin(0.25 * angle) * b) / torch.sin(angle)
        torch.testing.assert_close(tensor, expected, rtol=1e-5, atol=1e-6, msg=name)
