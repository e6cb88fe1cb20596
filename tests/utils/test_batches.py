"""Batches: each row once an epoch, re-drawn, and little padding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from utils.batches import evaluation_batches, training_batches
from utils.seeds import generator

LENGTHS = st.lists(st.integers(1, 128), min_size=1, max_size=300).map(np.array)


@given(LENGTHS, st.integers(1, 33), st.integers(0, 99))
def test_every_row_is_in_one_batch_of_an_epoch(lengths, batch_size, seed):
    for batches in (training_batches(lengths, batch_size, generator(seed, "batches")),
                    evaluation_batches(lengths, batch_size)):
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
        assert max(map(len, batches)) <= batch_size
        assert len(batches) == -(-len(lengths) // batch_size)  # which steps_per_round counts on


def test_epochs_are_drawn_anew_and_alike_for_one_seed():
    lengths = np.arange(200) % 40 + 5
    first, again, other = (training_batches(lengths, 16, generator(1, "batches", epoch)) for epoch in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert any(set(a.tolist()) != set(b.tolist()) for a, b in zip(first, other))


def test_rows_of_like_length_share_a_batch():
    lengths = np.random.default_rng(0).integers(5, 128, 2000)
    batches = training_batches(lengths, 16, generator(0, "batches"))
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded / lengths.sum() < 1.15
    order = [lengths[batch].mean() for batch in batches]
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.3  # long batches come at any time


def test_evaluation_starts_with_the_longest_rows():
    batches = evaluation_batches(np.array([3, 9, 5, 7]), 2)
    assert [batch.tolist() for batch in batches] == [[1, 3], [2, 0]]
