"""A training's steps: the same bits after a checkpoint, and whatever was read before it."""

import numpy as np
import pytest
import torch

from pretraining.flags import PretrainFlags
from pretraining.objectives import MaskedTokens
from pretraining.pieces import tokenised, train_tokenizer
from pretraining.student import arithmetic, new_student
from pretraining.training import Training, saved
from tests.toy import toy_rows
from utils.errors import UserError

FLAGS = PretrainFlags(layers=1, hidden=32, vocab=150, max_length=16, seed=3, batch_size=8, warmup=5)
TEXTS = [*dict.fromkeys(row["sentence1"] for row in toy_rows(44, 1))]


def training() -> Training:
    """Return a training at its beginning: 44 texts are 6 steps."""
    tokenizer = train_tokenizer(TEXTS, FLAGS.vocab, FLAGS.max_length)
    student = new_student(FLAGS, tokenizer)
    objective = MaskedTokens(FLAGS, student, tokenizer)
    return Training(FLAGS, tokenised(TEXTS, tokenizer, FLAGS.max_length), tokenizer, student, objective)


def steps(training: Training, number: int) -> list[np.ndarray]:
    """Make some steps; return their texts."""
    made = []
    with arithmetic(1, training.student, training.objective):
        for texts, _ in zip(training.batches(), range(number)):
            training.step(texts)
            made.append(texts)
    return made


def test_a_checkpoint_goes_on_with_the_same_bits(tmp_path):
    whole, half = training(), training()
    texts = steps(whole, 16)
    again = steps(half, 7)
    half.save(tmp_path / "a")
    assert saved(tmp_path / "a").steps == 7
    rest = training()
    rest.restore(tmp_path / "a")
    again += steps(rest, 9)
    assert all(map(np.array_equal, texts, again))
    assert (rest.done.tokens, rest.done.loss) == (whole.done.tokens, whole.done.loss)
    for name, parameter in whole.parameters.items():
        assert torch.equal(parameter, rest.parameters[name]), name


def test_each_pass_reads_each_text_once(tmp_path):
    made = training()
    assert made.texts_read().size == 0
    texts = np.concatenate(steps(made, 6))
    assert sorted(texts) == [*range(len(TEXTS))] == sorted(made.texts_read())
    assert made.done.tokens == made.tokens.offsets[-1] and made.done.sequences == len(TEXTS)
    again = steps(made, 6)
    assert sorted(np.concatenate(again)) == [*range(len(TEXTS))] and not np.array_equal(texts, np.concatenate(again))


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"no"), lambda path: path.write_bytes(
    path.read_bytes()[:-100])])
def test_a_spoilt_checkpoint_is_named(spoil, tmp_path):
    made = training()
    steps(made, 1)
    made.save(tmp_path / "a")
    spoil(tmp_path / "a")
    with pytest.raises(UserError, match="a: is no whole checkpoint of these flags .*remove it"):
        made.restore(tmp_path / "a")
