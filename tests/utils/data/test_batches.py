"""Batches: each row once an epoch, re-drawn, and little padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.data.batches import evaluation_batches, training_batches
from utils.seeds import generator

LENGTHS = st.lists(st.integers(1, 128), min_size=1, max_size=300).map(np.array)


@given(LENGTHS, st.integers(1, 33), st.integers(0, 99))
def test_every_row_is_in_one_batch_of_an_epoch(lengths, batch_size, seed):
    for batches in (training_batches(lengths, batch_size, generator(seed, "batches")),
                    training_batches(lengths, batch_size, generator(seed, "batches"), "random"),
                    evaluation_batches(lengths, batch_size)):
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
        assert max(map(len, batches)) <= batch_size
        assert len(batches) == -(-len(lengths) // batch_size)  # which steps_per_round counts on


def test_epochs_are_drawn_anew_and_alike_for_one_seed():
    lengths = np.arange(200) % 40 + 5
    first, again, other = (training_batches(lengths, 16, generator(1, "batches", epoch)) for epoch in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert any(set(a.tolist()) != set(b.tolist()) for a, b in zip(first, other))


def realistic_lengths(n, mean, longest):
    """Token counts as a task's rows have them: log-normal around `mean`, cut off at `longest`."""
    draws = np.random.default_rng(n).lognormal(np.log(mean), 0.5, n)
    return np.clip(draws, 5, longest).astype(np.int32)


@pytest.mark.parametrize("mean, longest", [(70, 128), (11, 30)])
@pytest.mark.parametrize("n_rows", [200, 2000])
def test_at_most_a_tenth_is_padding(n_rows, mean, longest):
    """Also in a client's shard of a dozen batches; a plain shuffle pads far more."""
    lengths = realistic_lengths(n_rows, mean, longest)

    def padded_per_real(batching):
        epochs = [training_batches(lengths, 16, generator(0, "batches", epoch), batching) for epoch in range(10)]
        padded = [sum(len(batch) * lengths[batch].max() for batch in batches) for batches in epochs]
        return np.mean(padded) / lengths.sum()

    assert padded_per_real("length") < 1.10
    assert padded_per_real("random") > 1.5


def test_a_rows_companions_change_and_batches_of_any_length_come_at_any_time():
    lengths = realistic_lengths(200, 70, 128)
    companions, order = np.zeros((200, 200)), []
    for epoch in range(20):
        batches = training_batches(lengths, 16, generator(0, "batches", epoch))
        order.append([lengths[batch].mean() for batch in batches])
        for batch in batches:
            companions[np.ix_(batch, batch)] += 1
    met = (companions > 0).sum(1) - 1
    assert np.median(met) > 2 * 15  # a fixed cut would give 15, for ever
    assert (companions == 20).sum() - 200 < 0.15 * 200 * 15  # few pairs (the very shortest) never part
    places = [np.corrcoef(means, np.arange(len(means)))[0, 1] for means in order]
    assert abs(np.mean(places)) < 0.2
    short, long = ({int(np.argsort(means)[k]) for means in order} for k in (0, -1))
    assert len(short) > 5 and len(long) > 5  # the shortest and the longest batch are anywhere in the epoch


def test_random_batching_is_a_plain_shuffle():
    lengths = np.arange(50)
    batches = training_batches(lengths, 16, generator(3, "batches"), "random")
    assert np.array_equal(np.concatenate(batches), generator(3, "batches").permutation(50))
    assert [len(batch) for batch in batches] == [16, 16, 16, 2]


def test_evaluation_starts_with_the_longest_rows():
    batches = evaluation_batches(np.array([3, 9, 5, 7]), 2)
    assert [batch.tolist() for batch in batches] == [[1, 3], [2, 0]]
