"""The streamed mean: the weighted mean by hand, whatever the grouping, the threads and the transport."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.vectors.mean import weighted_mean
from utils.vectors.sums import GROUP
from utils.vectors.transport import WINDOW, Transport


def mean_of(vectors, weights, folder="", threads=1, missing=0):
    transport = Transport(folder, len(vectors[0]))
    sent = ((transport.send(f"client-{k}", vector), (weights[k],)) for k, vector in enumerate(vectors))
    mean = weighted_mean(sent, len(weights) + missing, transport, "global-1", threads)
    assert not mean.refused
    return transport.window(mean.arrays, slice(0, transport.size)).copy()  # `receive` collects garbage


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=2 * GROUP + 1), st.integers(0, 99))
def test_the_mean_is_the_weighted_mean_by_hand(weights, seed):
    vectors = np.random.default_rng(seed).standard_normal((len(weights), 7)).astype(np.float32)
    exact = np.array(weights, np.longdouble) @ vectors.astype(np.longdouble) / sum(weights)
    np.testing.assert_allclose(mean_of(vectors, weights), exact.astype(np.float32), rtol=2e-7, atol=1e-9)


@pytest.mark.parametrize("n", [1, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP])
@pytest.mark.parametrize("missing", [1, GROUP, 3 * GROUP])
def test_fewer_vectors_than_there_might_be_are_averaged_alike(n, missing):
    vectors = np.random.default_rng(n).standard_normal((n, 9)).astype(np.float32)
    assert np.array_equal(mean_of(vectors, range(1, n + 1), missing=missing), mean_of(vectors, range(1, n + 1)))


def test_the_mean_of_one_is_itself_bit_for_bit_also_across_windows():
    vector = np.random.default_rng(0).standard_normal(WINDOW + 5).astype(np.float32)
    assert np.array_equal(mean_of([vector], [12345]), vector)


@pytest.mark.parametrize("n", [3, GROUP, GROUP + 1, 3 * GROUP])
def test_grouping_threads_and_transport_change_no_bit(tmp_path, n):
    rng = np.random.default_rng(n)
    vectors, weights = rng.standard_normal((n, WINDOW + 99)).astype(np.float32), rng.integers(1, 999, n)
    total = np.zeros(WINDOW + 99)
    for vector, weight in zip(vectors, weights):
        total += vector.astype(np.float64) * float(weight)
    expected = (total / weights.sum()).astype(np.float32)
    for folder, threads in (("", 1), (str(tmp_path), 1), (str(tmp_path), 3)):
        assert np.array_equal(mean_of(vectors, weights, folder, threads), expected)


def test_a_vector_is_not_looked_at_again_once_its_group_is_summed():
    """So its buffer can be used again: each comes in one of GROUP buffers, overwritten by the next group's."""
    buffers, n = np.zeros((GROUP, 5), np.float32), 3 * GROUP
    transport = Transport("", 5)

    def vectors():
        for k in range(n):
            buffers[k % GROUP] = k
            yield [buffers[k % GROUP]], (1,)

    mean = transport.receive(weighted_mean(vectors(), n, transport, "global-0").arrays)
    assert np.array_equal(mean, np.full(5, (n - 1) / 2, np.float32))


def test_failed_positions_count_in_their_group():
    """A buffer is overwritten GROUP positions later, whether or not those before it hold a vector."""
    buffers, failed, n = np.zeros((GROUP, 5), np.float32), {1, 2, GROUP + 3, 2 * GROUP, 3 * GROUP - 1}, 3 * GROUP
    transport = Transport("", 5)

    def vectors():
        for k in range(n):
            buffers[k % GROUP] = k
            yield None if k in failed else ([buffers[k % GROUP]], (1 + k,))

    mean = weighted_mean(vectors(), n, transport, "global-0").arrays[0]
    good = np.array(sorted(set(range(n)) - failed))
    assert np.array_equal(mean, np.full(5, ((1 + good) * good).sum() / (1 + good).sum(), np.float32))
    assert weighted_mean(iter([None] * n), n, transport, "global-0").arrays is None


@pytest.mark.parametrize("n", [3, GROUP, 2 * GROUP + 1])
@pytest.mark.parametrize("by_reference", [True, False])
def test_a_vector_that_is_not_finite_is_left_out_wherever_it_comes(tmp_path, n, by_reference):
    """In a later group, too, whose sums go on from those before it."""
    transport = Transport(str(tmp_path) if by_reference else "", WINDOW + 99)
    vectors = np.random.default_rng(n).standard_normal((n, WINDOW + 99)).astype(np.float32)
    wrong = {0: np.nan, n - 1: -np.inf}
    for k, value in wrong.items():
        vectors[k, -1 - k] = value
    sent = [(transport.send(f"client-{k}", vector), (k + 1,)) for k, vector in enumerate(vectors)]
    mean = weighted_mean(iter(sent), n, transport, "global-0", threads=2)
    good = range(1, n - 1)
    assert mean.refused == set(wrong)
    assert np.array_equal(transport.receive(mean.arrays), mean_of(vectors[good], [k + 1 for k in good]))
    assert set(mean.drifts) == (set(good) if n <= GROUP else set())


@pytest.mark.parametrize("n", [2, GROUP + 1])
def test_there_is_no_mean_of_vectors_that_are_all_refused(n):
    transport = Transport("", 4)
    sent = (([np.full(4, np.nan, np.float32)], (1,)) for _ in range(n))
    assert weighted_mean(sent, n, transport, "global-0").arrays is None


def test_drift_is_the_distance_from_the_mean():
    vectors = np.random.default_rng(0).standard_normal((3, WINDOW + 99)).astype(np.float32)
    transport, weights = Transport("", WINDOW + 99), [5, 1, 2]
    mean = weighted_mean(zip([[vector] for vector in vectors], zip(weights)), 3, transport, "global-0")
    exact = np.array(weights) @ vectors.astype(np.float64) / 8
    for k, vector in enumerate(vectors):
        assert mean.drifts[k] == pytest.approx(np.linalg.norm(vector - exact), rel=1e-6)
    alone = weighted_mean(iter([([vectors[0]], (7,))]), 3, transport, "global-0")
    assert alone.drifts == {0: 0.0}


@pytest.mark.parametrize("n, wrong", [(1, False), (3, True), (2 * GROUP + 1, False), (2 * GROUP + 1, True)])
@pytest.mark.parametrize("by_reference", [True, False])
def test_two_means_and_the_steps_to_them_come_of_one_pass(tmp_path, n, wrong, by_reference):
    """Models and one more vector in each message; the first means are by weights, the plain one by rows."""
    size = WINDOW + 99
    transport = Transport(str(tmp_path) if by_reference else "", size, vectors=2)
    rng = np.random.default_rng(n)
    start, vectors = rng.standard_normal(size).astype(np.float32), rng.standard_normal((n, 2, size)).astype(np.float32)
    weights, rows = rng.uniform(0, 3, n), rng.integers(1, 99, n)
    if wrong:
        vectors[1, 1, 7] = np.nan
    good = [k for k in range(n) if k != 1 or not wrong]
    sent = ((transport.send(f"client-{k}", *vectors[k]), (weights[k], float(rows[k]))) for k in range(n))
    before = Transport(transport.folder, size).send("global-0", start)
    mean = weighted_mean(sent, n, transport, "global-1", 3, before, "plain-0")
    means = (mean.arrays, 0, 0, weights), (mean.arrays, 1, 1, weights), (mean.plain, 0, 0, rows)
    for arrays, number, of, by in means:
        found = np.concatenate([transport.window(arrays, part, number) for part in transport.windows()])
        np.testing.assert_allclose(found, np.average(vectors[good, of].astype(float), axis=0, weights=by[good]),
                                   rtol=1e-6, atol=1e-7)
    step, plain = (np.average(vectors[good, 0].astype(float), axis=0, weights=by[good]) - start
                   for by in (weights, rows))
    np.testing.assert_allclose([mean.step.square, mean.step.mean_square, mean.step.product],
                               [step @ step, plain @ plain, step @ plain], rtol=1e-6)
    assert mean.refused == ({1} if wrong else set())
