"""The two losses against independent references: transformers' BertForMaskedLM, and the formula by NumPy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertForMaskedLM

from pretraining.flags import PretrainFlags
from pretraining.objectives import IGNORED, Distillation, MaskedTokens
from pretraining.pieces import tokenised, train_tokenizer
from pretraining.student import batch_of, new_student
from pretraining.teacher import Vectors
from pretraining.text import Corpus, Part
from tests.toy import toy_rows

FLAGS = PretrainFlags(layers=1, hidden=32, vocab=150, max_length=16, seed=3)
TEXTS = [*dict.fromkeys(row["sentence1"] for row in toy_rows(60, 1))]


@pytest.fixture(scope="module")
def parts():
    """A student, its tokenizer, its tokens, and a batch of eight texts of different lengths."""
    tokenizer = train_tokenizer(TEXTS, FLAGS.vocab, FLAGS.max_length)
    tokens, texts = tokenised(TEXTS, tokenizer, FLAGS.max_length), np.arange(8)
    assert len({*tokens.lengths[texts]}) > 1
    return new_student(FLAGS, tokenizer), tokenizer, tokens, batch_of(tokenizer, tokens, texts)


def test_masked_tokens_cost_what_transformers_says(parts):
    student, tokenizer, _, batch = parts
    objective = MaskedTokens(FLAGS, student, tokenizer)
    whole = BertForMaskedLM(student.config).eval()
    whole.bert.load_state_dict(student.state_dict(), strict=False)
    whole.cls.predictions.transform.load_state_dict(objective.transform.state_dict())
    with torch.no_grad():
        objective.bias.copy_(torch.linspace(-1, 1, len(tokenizer)))
        whole.cls.predictions.bias.copy_(objective.bias)
        ids, labels = objective.masked(batch["input_ids"], step=5)
        wanted = whole(input_ids=ids, attention_mask=batch["attention_mask"], labels=labels).loss
        found = objective(student, batch, np.arange(8), step=5)
    assert float(found) == pytest.approx(float(wanted), rel=1e-5)


def test_masks_are_fifteen_percent_of_words_in_three_ways(parts):
    student, tokenizer, _, _ = parts
    objective = MaskedTokens(FLAGS, student, tokenizer)
    ids = torch.full((200, 100), 50)
    ids[:, 0], ids[:, 90:] = tokenizer.cls_token_id, tokenizer.pad_token_id
    masked, labels = objective.masked(ids, 1)
    asked = labels != IGNORED
    assert not asked[:, 0].any() and not asked[:, 90:].any() and (labels[asked] == 50).all()
    assert torch.equal(masked[~asked], ids[~asked])
    ways = [float((masked[asked] == piece).double().mean()) for piece in (tokenizer.mask_token_id, 50)]
    assert float(asked[:, 1:90].double().mean()) == pytest.approx(0.15, abs=0.01)
    assert ways == pytest.approx([0.8, 0.1], abs=0.03) and masked[asked].min() >= 4
    assert all(torch.equal(one, two) for one, two in zip(objective.masked(ids, 1), (masked, labels)))
    assert not torch.equal(objective.masked(ids, 2)[1], labels)
    assert (objective.masked(ids[:1, :2], 3)[1] != IGNORED).sum() == 1  # a batch has one at least


@pytest.mark.parametrize(("learns", "names"), [
    ("both", ["mean", "pooler"]), ("mean", ["mean"]), ("pooler", ["pooler"])])
def test_distillation_is_one_minus_the_cosines(learns, names, parts):
    student, _, _, batch = parts
    values = np.random.default_rng(0).normal(size=(len(TEXTS), 5)).astype(np.float32)
    n = len(TEXTS)
    corpus = Corpus([Part("a/b", TEXTS)], TEXTS, np.zeros(n, np.int64), np.arange(n))
    vectors = Vectors(corpus, 1000, [values], [np.full(n, 7, np.int32)])
    objective, texts = Distillation(replace(FLAGS, learns=learns), vectors), np.array([7, 6, 5, 4, 3, 2, 1, 0])
    with torch.no_grad():
        out = student(**batch)
        found = float(objective(student, batch, texts, step=0))
    hidden, mask = out.last_hidden_state.double().numpy(), batch["attention_mask"].numpy()
    means = np.stack([row[real == 1].mean(0) for row, real in zip(hidden, mask)])
    cosines = []
    assert [*objective.maps] == names
    for name, layer in objective.maps.items():
        inputs = means if name == "mean" else out.pooler_output.double().numpy()
        mapped = inputs @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
        cosines.append((mapped * values[texts]).sum(1) / np.linalg.norm(mapped, axis=1)
                       / np.linalg.norm(values[texts], axis=1))
    assert found == pytest.approx(1 - np.mean(cosines), abs=1e-5)
    assert vectors.flops(texts[:2]) == 2 * 1000 * 14
