"""A probe's new head is standardised: against sums by hand, in every family whose head has two layers."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForMultipleChoice, AutoModelForSequenceClassification

from tests.loading import KINDS, ROWS, loaded
from tests.tiny import MULTIPLE_CHOICE, QASC, RTE, tiny_once
from tests.utils.model.test_trainable import HEADS, OTHERS
from utils.config import RunConfig
from utils.model.trainable import begin_training, head_of
from utils.model.trained import head

FAMILIES = [*(each for each in KINDS if len(HEADS[f"{each[0]}-{each[1].name}{'-words' * each[2]}"].split()) == 2),
            *((family, QASC, False) for family in MULTIPLE_CHOICE if (family, QASC, False) not in KINDS)]
TEXTS = (*ROWS, "Yes.", "A module is a file.", "Names refer to objects.")


BODY = {"bart": "encoder", "gpt2": "h", "distilbert": "transformer", "bert": "encoder", "roberta": "encoder",
        "deberta-v2": "encoder"}


def as_choices(ids: torch.Tensor, choice: bool) -> torch.Tensor:
    return ids.view(2, -1, ids.shape[-1]) if choice else ids


def seen(model, layer: str, batches) -> tuple[np.ndarray, np.ndarray]:
    """Return what a layer gets and what it makes of that by its own weights, float64 [rows, units], by NumPy."""
    got, module = [], model.get_submodule(layer)
    hook = module.register_forward_pre_hook(lambda _, inputs: got.append(inputs[0].flatten(0, -2)))
    with torch.no_grad():
        for batch in batches:
            model(**batch)
    hook.remove()
    inputs = torch.cat(got).double().numpy()
    return inputs, inputs @ module.weight.detach().double().numpy().T + module.bias.detach().double().numpy()


def check(model, layers: list[str], batches) -> None:
    """Assert that the first of two layers is standardised, its outputs in the same order as before, and no other."""
    first, last = layers
    _, before = seen(model, first, batches)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert first in head.ready(model, head_of(model), batches)
    _, after = seen(model, first, batches)
    assert np.abs(after.mean(0)).max() < 1e-4 and np.abs(after.std(0) - 1).max() < 1e-4
    assert np.allclose(after, (before - before.mean(0)) / before.std(0), atol=1e-3)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, state[name])}
    assert changed == {f"{first}.weight", f"{first}.bias"}
    with torch.no_grad():  # so the last layer sees other features
        assert not torch.equal(model(**batches[0]).logits, model.train(False)(**batches[1]).logits)


@pytest.mark.parametrize("family, spec, words", FAMILIES, ids=[f"{family}-{spec.name}" for family, spec, _ in FAMILIES])
def test_outputs_have_mean_0_and_deviation_1(tmp_path_factory, family, spec, words):
    model, tokenizer = loaded(tiny_once(tmp_path_factory.getbasetemp(), family), spec)
    batches = [{key: as_choices(ids, spec is QASC) for key, ids in
                tokenizer(list(some), padding=True, return_tensors="pt").items()} for some in (TEXTS, TEXTS[:2] * 2)]
    check(model, HEADS[f"{family}-{spec.name}"].split(), batches)


@pytest.mark.parametrize("choice", [False, True])
@pytest.mark.parametrize("family", ["mpnet", "xlnet"])
def test_in_other_families_too(family, choice):
    config, *heads = OTHERS[family]
    torch.manual_seed(0)
    model = (AutoModelForMultipleChoice if choice else AutoModelForSequenceClassification).from_config(config).eval()
    check(model, heads[choice].split(), [{"input_ids": as_choices(torch.randint(5, 99, (8, 7)), choice)}
                                         for _ in range(2)])


@pytest.mark.parametrize("family", ["gpt2", "modernbert"])
def test_a_layer_that_is_alone_or_cannot_take_off_a_mean_stays_as_it_is(tmp_path_factory, family):
    if family == "gpt2":
        model, _ = loaded(tiny_once(tmp_path_factory.getbasetemp(), family), RTE)
    else:
        model = AutoModelForSequenceClassification.from_config(OTHERS[family][0]).eval()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert head.ready(model, head_of(model), [{"input_ids": torch.randint(5, 99, (3, 7))}]) == ""
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("family, layer", [
    ("bert", "bert.pooler"), ("roberta", "classifier"), ("bart", "classification_head"), ("deberta-v2", "pooler"),
    ("distilbert", "pre_classifier"), ("gpt2", "score")])
def test_in_training_the_head_gets_what_it_gets_in_evaluation(tmp_path_factory, family, layer):
    model, tokenizer = loaded(tiny_once(tmp_path_factory.getbasetemp(), family), RTE)
    batch, got = dict(tokenizer(list(ROWS), padding=True, return_tensors="pt")), []
    model.get_submodule(layer).register_forward_pre_hook(lambda _, inputs: got.append(inputs[0].detach()))
    model(**batch)
    begin_training(model, RunConfig.of(train="head"))
    model(**batch)
    assert torch.equal(got[0], got[1]) and model.training and not model.base_model.get_submodule(BODY[family]).training
    for train in ("all", "bias", "lora"):
        begin_training(model, RunConfig.of(train=train))
        assert all(module.training for module in model.modules())
        model(**batch)
        assert not torch.equal(got[0], got.pop())


def test_a_unit_that_says_nothing_is_counted_and_stays_finite(tmp_path_factory):
    model, tokenizer = loaded(tiny_once(tmp_path_factory.getbasetemp(), "bert"), RTE)
    with torch.no_grad():
        model.bert.pooler.dense.weight[:3] = 0.0
    batches = [dict(tokenizer(list(TEXTS), padding=True, return_tensors="pt"))]
    assert ", 3 of its 32 units hardly differ)" in head.ready(model, head_of(model), batches)
    _, after = seen(model, "bert.pooler.dense", batches)
    assert np.abs(after[:, :3]).max() == 0.0 and np.abs(after[:, 3:].std(0) - 1).max() < 1e-4
