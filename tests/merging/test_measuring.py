"""Fisher merging and RegMean of finished models, measured on the rows of a task."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import merge
from merging.flags import parse
from tests.merging.children import child, weights
from tests.toy import toy_rows, toy_table
from utils.errors import UserError

LABELS = ("entailment", "not_entailment")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    base = tmp_path_factory.mktemp("models")
    toy_table(base / "data", 16, 8)
    return base


def merged(base, out, models, *words):
    """Merge and return the weights."""
    merge.merge(parse([*map(str, models), "--out", str(out), "--data", "rte", "--data_dir", str(base / "data"),
                       "--max_length", "32", *words], ("rte",)))
    return weights(out)


def fisher(folder):
    """Return the diagonal Fisher matrix on all training rows, by torch alone: {name: float64 tensor}."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer, rows, total = AutoTokenizer.from_pretrained(folder), toy_rows(16, 1), {}
    for row in rows:
        log_p = model(**tokenizer(row["sentence1"], row["sentence2"], return_tensors="pt")).logits[0].log_softmax(-1)
        for value in log_p:
            model.zero_grad()
            value.backward(retain_graph=True)
            for name, p in model.named_parameters():
                total[name] = total.get(name, 0) + value.exp().item() * p.grad.double() ** 2 / len(rows)
    return total


def test_fisher_is_the_papers_formula_on_the_tasks_training_rows(base, tmp_path):
    models = [child(base, "bert", k, LABELS) for k in range(2)]
    found = merged(base, tmp_path / "out", models, "--strategy", "fisher", "--probe_rows", "0")
    each, by = [weights(model) for model in models], [fisher(model) for model in models]
    for name, tensor in found.items():
        total = sum(one[name] for one in by) + 2e-20
        expected = sum((matters[name] + 1e-20) * one[name] for one, matters in zip(each, by)) / total
        far = (tensor - expected).abs() > 1e-3 * (each[0][name] - each[1][name]).abs() + 1e-7
        # where a parameter hardly matters, its share is a ratio of numbers that are rounding errors
        assert not far[total > 1e-12].any(), name
        assert np.isfinite(tensor.numpy()).all()


@pytest.mark.parametrize("strategy", ["fisher", "regmean"])
def test_of_one_model_twice_it_is_that_model(base, tmp_path, strategy, capsys):
    one = child(base, "bert", 0, LABELS)
    found = merged(base, tmp_path / "out", [one, one], "--strategy", strategy, "--probe_rows", "6")
    for name, tensor in weights(one).items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5, msg=name)
    assert "merged by" in capsys.readouterr().out


@pytest.mark.parametrize("words", ["--strategy fisher", "--strategy regmean --data rte --base {one}",
                                   "--strategy fisher --data rte --head {one}"])
def test_it_needs_a_task_and_whole_models(base, tmp_path, words):
    one = child(base, "bert", 0, LABELS)
    with pytest.raises(UserError, match="measures whole models on rows of a task: name it by --data"):
        merge.merge(parse([str(one), str(one), "--out", str(tmp_path / "out"), *words.format(one=one).split()],
                          ("rte",)))
    assert [*tmp_path.iterdir()] == []
