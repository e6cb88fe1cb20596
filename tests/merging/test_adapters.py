"""PEFT adapters among the models of a merge."""

import peft
import pytest
import torch
from transformers import AutoModelForSequenceClassification

import merge
from merging.flags import parse
from tests.merging.children import child, weights
from tests.tiny import tiny_once
from tests.toy import toy_table
from utils.errors import UserError

LABELS = ("entailment", "not_entailment")


@pytest.fixture
def adapter(tmp_path):
    """The folder of a LoRA adapter of the tiny BERT with its head, and the weights that PEFT merges it into."""
    start = tiny_once(tmp_path, "bert")
    torch.manual_seed(3)
    model = peft.get_peft_model(
        AutoModelForSequenceClassification.from_pretrained(start),
        peft.LoraConfig(r=4, target_modules=["query", "value"], modules_to_save=["classifier"]))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p) * p.requires_grad)
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter", {name: p.detach().double() for name, p in model.merge_and_unload().named_parameters()}


def test_an_adapter_is_merged_as_the_model_that_it_makes_of_its_base(tmp_path, adapter, capsys):
    (folder, whole), other = adapter, child(tmp_path, "bert", 0, LABELS)
    toy_table(tmp_path / "data", 8, 8)
    words = [str(folder), str(other), "--out", str(tmp_path / "out"), "--data_dir", str(tmp_path / "data"),
             "--max_length", "32"]
    with pytest.raises(UserError, match=f"{folder}: is a PEFT adapter: give --data TASK"):
        merge.merge(parse(words, ("rte",)))
    merge.merge(parse([*words, "--data", "rte"], ("rte",)))
    found, each = weights(tmp_path / "out"), weights(other)
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, (whole[name] + each[name]) / 2, rtol=1e-5, atol=1e-6, msg=name)
    assert f"| {folder} " in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", other.name, "data", "out", "tiny"]
