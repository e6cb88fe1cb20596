"""A checkpoint's head: kept where it is the task's, in the task's order, and else drawn anew, with a note."""

import json
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForMultipleChoice, AutoModelForTokenClassification

from tests.loading import answers, close, edit, loaded, louder, plain, refused
from tests.tiny import QASC, RTE, STSB
from utils.model import loading

MNLI = replace(RTE, name="mnli", labels=("entailment", "neutral", "contradiction"), label_words=("a", "b", "c"))


@pytest.fixture
def tuned(tiny, tmp_path):
    """A function that writes a family's folder with a head for `spec`, whose labels' names may be changed after."""
    def make(family: str, spec, *names: object):
        model, tokenizer = loaded(tiny(family), spec, seed=1, max_length=32)
        louder(model)
        loading.save(model, tokenizer, tmp_path / "tuned")
        return edit(tmp_path / "tuned", id2label=dict(enumerate(names))) if names else tmp_path / "tuned"
    return make


def noted(caplog) -> str:
    return "\n".join(record.message for record in caplog.records)


@pytest.mark.parametrize("family", ["bert", "roberta", "bart", "gpt2"])  # each calls its last layer otherwise
def test_outputs_come_in_the_task_s_order_whatever_their_names_and_places(tuned, family, caplog):
    caplog.set_level("INFO", logger="lm")
    folder = tuned(family, MNLI, "Contradictory", "ENTAILMENT", "neutral")
    theirs = answers(*plain(folder, MNLI, False))
    model, tokenizer = loaded(folder, MNLI, seed=2, max_length=32, trained=True)
    assert "put in the task's order (entailment, neutral, contradiction)" in noted(caplog)
    close(answers(model, tokenizer), theirs[:, [1, 2, 0]])
    loading.save(model, tokenizer, folder)
    again, _ = plain(folder, MNLI, False)
    assert list(again.config.id2label.values()) == list(MNLI.labels)
    close(answers(again, tokenizer), theirs[:, [1, 2, 0]])


def test_names_that_label2id_alone_has_count(tuned, caplog):
    caplog.set_level("INFO", logger="lm")
    folder = edit(tuned("bert", MNLI), label2id={"neutral": 0, "entailment": 1, "contradiction": 2})
    theirs = answers(*plain(folder, MNLI, False))
    config = json.loads((folder / "config.json").read_text())
    del config["id2label"]
    (folder / "config.json").write_text(json.dumps(config))
    model, tokenizer = loaded(folder, MNLI, seed=2, max_length=32, trained=True)
    assert "put in the task's order" in noted(caplog)
    close(answers(model, tokenizer), theirs[:, [1, 0, 2]])


def test_outputs_without_names_are_taken_in_the_task_s_order(tuned, caplog):
    caplog.set_level("INFO", logger="lm")
    folder = tuned("roberta", MNLI, "LABEL_0", "LABEL_1", "LABEL_2")
    model, tokenizer = loaded(folder, MNLI, seed=2, max_length=32, trained=True)
    close(answers(model, tokenizer), answers(*plain(folder, MNLI, False)))
    assert "have no names: taken for entailment, neutral, contradiction" in noted(caplog)


@pytest.mark.parametrize(("family", "spec", "names", "wanted"), [
    ("bert", MNLI, ("negative", "neutral", "positive"), MNLI), ("bart", RTE, ("unacceptable", "acceptable"), RTE),
    ("bert", MNLI, (), RTE), ("bert", MNLI, ("LABEL_0", "LABEL_1", "LABEL_2"), RTE),
    ("deberta-v2", STSB, ("toxicity",), STSB), ("bert", STSB, (), QASC),
    ("bert", QASC, (), STSB)])
def test_another_task_s_head_is_drawn_anew_and_both_are_named(tuned, caplog, family, spec, names, wanted):
    caplog.set_level("INFO", logger="lm")
    folder = tuned(family, spec, *names)
    had, _ = plain(folder, spec, False)
    model, _ = loaded(folder, wanted, seed=2, max_length=32)
    head = {name: p for name, p in model.named_parameters() if not name.startswith(f"{model.base_model_prefix}.")}
    for name, p in model.state_dict().items():
        assert name in head or torch.equal(p, had.state_dict()[name]), name
    for name, p in head.items():
        old = had.state_dict()[name]
        assert old.shape != p.shape or not p.any() or not torch.equal(old, p), name
    theirs = "BertFor" if QASC in (spec, wanted) else ", ".join(names or spec.labels)
    assert f"its head is for {theirs}" in noted(caplog)
    assert f"not for {', '.join(model.config.id2label.values())}: drawn anew" in noted(caplog)
    message = refused(folder, wanted, trained=True)
    assert f"--n_iterations 0: --model {folder} has no head that was trained on {wanted.name}: its head is" in message


def test_a_head_of_another_tasks_labels_is_drawn_anew(tiny, tmp_path):
    """Two classes are not the same two classes: a run on another task starts from a head of its own seed."""
    trained, tokenizer = loaded(tiny("bert"), RTE, seed=1, max_length=32)
    loading.save(trained, tokenizer, tmp_path / "model")
    same, _ = loaded(tmp_path, RTE, seed=2, max_length=32)
    assert torch.equal(same.classifier.weight, trained.classifier.weight)
    cola = replace(RTE, name="cola", labels=("unacceptable", "acceptable"))
    other, _ = loaded(tmp_path, cola, seed=2, max_length=32)
    again, _ = loaded(tmp_path, cola, seed=2, max_length=32)
    assert not torch.equal(other.classifier.weight, trained.classifier.weight)
    assert torch.equal(other.classifier.weight, again.classifier.weight)
    assert torch.equal(other.bert.embeddings.word_embeddings.weight, trained.bert.embeddings.word_embeddings.weight)


def test_a_head_that_marks_tokens_is_another_task_s_though_its_weights_fit(tiny, tmp_path, caplog):
    caplog.set_level("INFO", logger="lm")
    _, tokenizer = loaded(tiny("bert"), RTE, seed=1, max_length=32)
    marks = AutoModelForTokenClassification.from_pretrained(tiny("bert"))
    loading.save(marks, tokenizer, tmp_path / "marks")
    model, _ = loaded(tmp_path / "marks", RTE, seed=1, max_length=32)
    assert model.classifier.weight.shape == marks.classifier.weight.shape
    assert not torch.equal(model.classifier.weight, marks.classifier.weight)
    assert "its head is for BertForTokenClassification" in noted(caplog)


def test_a_multiple_choice_head_is_kept_whatever_its_config_calls_the_choices(tiny, tmp_path):
    _, tokenizer = loaded(tiny("bert"), RTE, seed=1, max_length=32)
    swag = AutoModelForMultipleChoice.from_pretrained(tiny("bert"), id2label={0: "ending0", 1: "ending1"})
    loading.save(swag, tokenizer, tmp_path / "swag")
    model, _ = loaded(tmp_path / "swag", QASC, seed=1, max_length=32, trained=True)
    assert torch.equal(model.classifier.weight, swag.classifier.weight)


def test_a_score_is_kept_under_its_other_name(tuned):
    folder = tuned("electra", STSB, "Similarity")
    model, tokenizer = loaded(folder, STSB, seed=2, max_length=32, trained=True)
    close(answers(model, tokenizer), answers(*plain(folder, STSB, False)))


def test_a_model_without_a_head_is_not_evaluated_as_it_is(tiny):
    assert "new head drawn from the seed: classifier.bias, classifier.weight" in refused(tiny("bert"), trained=True)
    loaded(tiny("bert"), RTE, max_length=32, random_init=True, trained=True)  # asked for


def test_a_language_model_s_head_has_no_labels(tiny, caplog):
    caplog.set_level("INFO", logger="lm")
    loaded(tiny("t5"), RTE, max_length=32, trained=True)
    assert not caplog.records
