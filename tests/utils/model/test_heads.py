"""Batches, losses and evaluation of every kind of head, against Hugging Face's own on the same real rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from tests.loading import loaded
from tests.tiny import FAMILIES, MULTIPLE_CHOICE, POSITIONS, QASC, RTE, STSB, TEXT_TO_TEXT, real_rows
from utils.data.tokens import tokenise
from utils.errors import UserError
from utils.model.heads import make_head

torch.set_num_threads(1)
ENCODERS = [family for family in FAMILIES if family not in ("t5", "mt5")]
CASES = [*((family, RTE, False) for family in ENCODERS), *((family, STSB, False) for family in ENCODERS),
         *((family, QASC, False) for family in MULTIPLE_CHOICE),
         *((family, spec, True) for family in TEXT_TO_TEXT for spec in (RTE, STSB, QASC))]
CASE_NAMES = [f"{family}-{spec.name}{'-words' * text}" for family, spec, text in CASES]


class Case:
    """A loaded model with the first real rows of a task, in eval mode: without dropout, losses compare."""

    def __init__(self, folder, spec, text_to_text, n=6, max_length=200):
        self.rows = real_rows(spec, n)
        self.model, self.tokenizer = loaded(folder, spec, max_length=max_length, text_to_text=text_to_text)
        if not text_to_text:  # heads start near nothing; make the answers differ
            with torch.no_grad():
                for name, p in self.model.named_parameters():
                    if any(part in name for part in ("classifier", "classification_head", "score")):
                        p.mul_(20)
        self.tokens = tokenise(self.rows, spec, self.tokenizer, max_length, text_to_text)
        self.labels = self.rows["label"].to_numpy().astype(np.float64)
        self.head = make_head(spec, self.tokenizer, text_to_text)

    def batch(self, *rows: int) -> dict[str, torch.Tensor]:
        chosen = np.array(rows)
        return self.head.collate(self.tokens, chosen, self.labels[chosen])

    def evaluate(self, *rows: int):
        return self.head.evaluate(self.model, self.batch(*rows))


@pytest.fixture
def case(tiny):
    return lambda family, spec, text_to_text=False, **sizes: Case(tiny(family), spec, text_to_text, **sizes)


def gradient(model, loss) -> torch.Tensor:
    parameters = [p for p in model.parameters() if p.requires_grad]
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return torch.cat([torch.zeros(p.numel()) if g is None else g.reshape(-1)
                      for p, g in zip(parameters, found, strict=True)])


def reference(folder, it: Case, spec, text_to_text, max_length=72) -> dict:
    """Return the same batch as Hugging Face's tokenizer pads it, from the texts."""
    plain = AutoTokenizer.from_pretrained(folder)
    columns = {name: it.rows[name].to_pylist() for name in it.rows.column_names}
    options = {"padding": True, "truncation": True, "max_length": max_length, "return_tensors": "pt",
               "return_token_type_ids": it.tokens.types is not None}
    if text_to_text:
        if spec is QASC:
            columns["choices"] = [" ".join(f"({a}) {b}" for a, b in zip(spec.labels, row, strict=True))
                                  for row in columns["choices"]]
        prompts = [spec.prompt.format(**{name: columns[name][i] for name in columns})
                   for i in range(len(it.rows))]
        words = [f"{round(label * 5) / 5:.1f}" if spec is STSB else spec.label_words[label]
                 for label in columns["label"]]
        inputs = plain(prompts, **options)
        labels = plain(text_target=words, padding=True, return_tensors="pt")
        return {**inputs, "labels": labels.input_ids.masked_fill(labels.attention_mask == 0, -100)}
    if spec is QASC:
        pairs = [(question, choice)
                 for question, row in zip(columns["question"], columns["choices"], strict=True)
                 for choice in row]
        inputs = plain(*map(list, zip(*pairs, strict=True)), **options)
        return {**{key: value.view(-1, 8, value.shape[-1]) for key, value in inputs.items()},
                "labels": torch.tensor(columns["label"])}
    if plain.pad_token is None:  # GPT-2, whose pairs are joined by the tokenizer's end-of-text
        plain.pad_token = plain.eos_token
        whole = [plain.eos_token.join(pair)
                 for pair in zip(columns["sentence1"], columns["sentence2"], strict=True)]
        return {**plain(whole, **options), "labels": torch.tensor(columns["label"])}
    inputs = plain(columns["sentence1"], columns["sentence2"], **options)
    return {**inputs, "labels": torch.tensor(columns["label"])}


@pytest.mark.parametrize(("family", "spec", "text_to_text"), CASES, ids=CASE_NAMES)
def test_batch_loss_gradient_and_evaluation_equal_hugging_face_s(case, tiny, family, spec, text_to_text):
    # these references join the texts before they cut, so let nothing be cut
    max_length = POSITIONS if family == "gpt2" or text_to_text else 200
    it = case(family, spec, text_to_text, max_length=max_length)
    everything = range(len(it.rows))
    batch = it.batch(*everything)
    expected = reference(tiny(family), it, spec, text_to_text, max_length=max_length)
    if spec is STSB and text_to_text:  # no row here is a tie, so no rounding decides
        assert not np.any(np.isclose(np.abs(it.labels * 5 % 1), 0.5))
    assert set(batch) == set(expected)
    scores = spec is STSB and not text_to_text
    for key, tensor in batch.items():
        assert torch.equal(tensor, expected[key].to(tensor.dtype)), key
        assert tensor.dtype == (torch.float32 if key == "labels" and scores else torch.int64)
    loss = it.head.loss(it.model, batch)
    assert loss.ndim == 0 and torch.isfinite(loss)
    if expected["labels"].dtype == torch.float64:
        expected["labels"] = expected["labels"].float()
    theirs = it.model(**expected).loss
    torch.testing.assert_close(loss, theirs, rtol=0, atol=0)
    ours = gradient(it.model, loss)
    torch.testing.assert_close(ours, gradient(it.model, theirs), rtol=1e-6, atol=1e-7)
    assert torch.isfinite(ours).all() and ours.abs().max() > 0

    predictions, losses, weights = it.head.evaluate(it.model, batch)
    assert {t.dtype for t in (predictions, losses, weights)} == {torch.float64}
    assert {t.shape for t in (predictions, losses, weights)} == {(len(it.rows),)}
    assert weights.sum() == it.head.terms(it.labels)
    assert (losses.sum() / weights.sum()).item() == pytest.approx(loss.item(), rel=2e-5)
    for row in everything:  # alone, hence without padding: the same up to rounding
        alone = it.batch(row)
        with torch.no_grad():
            theirs = it.model(**alone).loss.item()
        assert (losses[row] / weights[row]).item() == pytest.approx(theirs, rel=1e-4, abs=1e-5)
        assert it.head.terms(it.labels[[row]]) == weights[row]
        again = it.evaluate(row)
        torch.testing.assert_close(again[1], losses[row:row + 1], rtol=1e-4, atol=1e-5)
        if scores:
            torch.testing.assert_close(again[0], predictions[row:row + 1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("family", "spec"), [("bert", RTE), ("gpt2", RTE), ("electra", QASC)])
def test_predictions_are_the_largest_logit(case, family, spec):
    it = case(family, spec)
    for row in range(len(it.rows)):
        batch = it.batch(row)
        labels = batch.pop("labels")
        with torch.no_grad():
            logits = it.model(**batch).logits[0]
        [prediction], [loss], [weight] = it.evaluate(row)
        assert prediction == logits.argmax() and weight == 1
        expected = torch.nn.functional.cross_entropy(logits.double(), labels[0])
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(("family", "spec", "text_to_text"), [("bert", QASC, False), ("t5", QASC, True)])
def test_classes_that_count_alike_share_their_probability(case, family, spec, text_to_text):
    """Of eight classes 0, 2 and 5 count as 0, and 3 and 4 as 3."""
    it, alike = case(family, spec, text_to_text), (0, 1, 0, 3, 3, 0, 6, 7)
    it.labels = np.array([0.0, 3.0, 1.0, 6.0, 0.0, 7.0])
    batch = it.batch(*range(6))
    with torch.no_grad():
        scores = it.head.scores(it.model, batch).numpy()
    likelihoods = np.exp(scores) if text_to_text else np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    summed = [sum(row[c] for c in range(8) if alike[c] == label) for row, label in zip(likelihoods, it.labels)]
    predictions, losses, weights = it.head.evaluate(it.model, batch, alike)
    assert predictions.tolist() == [alike[c] for c in scores.argmax(1)]
    assert losses.tolist() == pytest.approx(-np.log(summed)) and weights.tolist() == [1.0] * 6
    assert {t.dtype for t in (predictions, losses, weights)} == {torch.float64}


@pytest.mark.parametrize("family", TEXT_TO_TEXT)
@pytest.mark.parametrize("spec", [RTE, STSB, QASC], ids=lambda spec: spec.name)
def test_label_words_score_as_the_whole_model_scores_each(case, monkeypatch, family, spec):
    it = case(family, spec, True)
    batch = it.batch(*range(len(it.rows)))
    expected = torch.empty(len(it.rows), len(spec.label_words), dtype=torch.float64)
    for i, word in enumerate(spec.label_words):
        ids = it.tokenizer(text_target=word)["input_ids"]
        for row in range(len(it.rows)):
            alone = it.batch(row)
            with torch.no_grad():
                loss = it.model(input_ids=alone["input_ids"], labels=torch.tensor([ids])).loss
            expected[row, i] = -loss.double() * len(ids)
    runs = []
    it.model.get_encoder().register_forward_hook(lambda module, args, result: runs.append(len(result[0])))
    with torch.no_grad():
        found = it.head.log_likelihoods(it.model, batch["input_ids"], batch["attention_mask"])
        assert runs == [len(it.rows)]  # the encoder read each row once
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        monkeypatch.setattr("utils.model.heads._LOGITS_AT_ONCE", 1)  # one word at a time
        one_by_one = it.head.log_likelihoods(it.model, batch["input_ids"], batch["attention_mask"])
    torch.testing.assert_close(one_by_one, found, rtol=1e-5, atol=1e-5)
    predictions, losses, weights = it.evaluate(*range(len(it.rows)))
    best = expected.argmax(-1)
    words = torch.tensor(list(map(float, spec.label_words)), dtype=torch.float64) if spec is STSB else None
    assert torch.equal(predictions, best.double() if words is None else words[best])
    right = [int(label) if words is None else int((words - label).abs().argmin()) for label in it.labels]
    torch.testing.assert_close(losses, -expected[torch.arange(len(it.rows)), right], rtol=1e-4, atol=1e-4)
    words = it.tokenizer(text_target=[spec.label_words[i] for i in right])["input_ids"]
    assert weights.tolist() == list(map(len, words))


def test_a_row_s_results_do_not_depend_on_its_batch(case):
    for family, spec, text_to_text in (("t5", QASC, True), ("bert", QASC, False), ("roberta", STSB, False)):
        it = case(family, spec, text_to_text)
        forward = it.evaluate(0, 1, 2, 3, 4, 5)
        backward = it.evaluate(5, 4, 3, 2, 1, 0)
        for one, other in zip(forward, backward, strict=True):
            torch.testing.assert_close(one, other.flip(0), rtol=1e-4, atol=1e-5)


def test_micro_batches_weighted_by_terms_give_the_large_batch_s_loss(case):
    for family, spec, text_to_text in (("t5", STSB, True), ("bert", RTE, False)):
        it = case(family, spec, text_to_text)
        parts = [np.array([0]), np.array([1, 2, 3, 4]), np.array([5])]
        terms = [it.head.terms(it.labels[part]) for part in parts]
        total = sum(it.head.loss(it.model, it.batch(*part)) * n for part, n in zip(parts, terms, strict=True))
        whole = it.head.loss(it.model, it.batch(*range(6)))
        torch.testing.assert_close(total / sum(terms), whole, rtol=1e-5, atol=1e-6)


def test_a_score_is_said_as_the_nearest_number_and_a_tie_as_the_earlier(tiny):
    head = make_head(STSB, AutoTokenizer.from_pretrained(tiny("t5")), True)
    scores = {0.0: 0, 5.0: 25, 3.8: 19, 2.75: 14, 0.49: 2, 0.1: 0, 0.3: 1, 4.5: 22, 2.5: 12, 4.7: 23, 9.0: 25}
    assert head._word_of(np.array(list(scores))).tolist() == list(scores.values())


@pytest.mark.parametrize(("family", "spec", "text_to_text"), [
    ("bert", RTE, False), ("bert", STSB, False), ("electra", QASC, False), ("t5", STSB, True),
    ("bart", RTE, True)])
def test_evaluation_under_autocast_is_finite_float64(case, family, spec, text_to_text):
    it = case(family, spec, text_to_text)
    exact = it.evaluate(0, 1, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        results = it.evaluate(0, 1, 2)
        assert torch.isfinite(it.head.loss(it.model, it.batch(0, 1, 2)))
    assert len(results) == len(exact)
    for found in results:
        assert found.dtype == torch.float64 and torch.isfinite(found).all()
    torch.testing.assert_close(results[1], exact[1], rtol=0.2, atol=0.3)


def test_label_words_must_be_told_apart(tiny):
    tokenizer = AutoTokenizer.from_pretrained(tiny("t5"))
    state = tokenizer.backend_tokenizer.to_str()
    for words, message in ((("yes", "yes"), "alike"), (("yes", "yes "), "alike"), (("yes", ""), "''"),
                           (("yes", "言葉"), "言葉")):
        with pytest.raises(UserError, match=message) as caught:
            make_head(replace(RTE, label_words=words), tokenizer, True)
        assert str(tiny("t5")) in str(caught.value)
    make_head(RTE, tokenizer, True)
    assert tokenizer.backend_tokenizer.to_str() == state


def test_padding_is_the_tokenizer_s(case):
    for family, spec in (("roberta", RTE), ("bert", QASC)):
        it = case(family, spec)
        batch = it.batch(*range(6))
        assert torch.equal(batch["input_ids"] == it.tokenizer.pad_token_id, batch["attention_mask"] == 0)
        assert (batch["attention_mask"] == 0).any()
        assert batch["input_ids"].shape == ((6, 8) if spec is QASC else (6,)) + batch["input_ids"].shape[-1:]
        assert batch["input_ids"].shape[-1] == it.tokens.lengths.max()
