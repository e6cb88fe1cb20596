"""lang_mix: each row once, the stated mixtures, pure at 0 and even at 1."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.config import RunConfig
from utils.data.partition import Domains, hold_out, home_rows, make_plan, mix, split_domains
from utils.data.task import TaskSpec
from utils.errors import UserError

SPEC = TaskSpec(name="toy", kind="classification", text=("sentence",), labels=("no", "yes"),
                metrics=("accuracy",), prompt="{sentence}", label_words=("no", "yes"), domain="kind")
SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=7)
MIXES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 0.99, 1.0]) | st.floats(0, 1)


def homes_of(sizes):
    ends = np.cumsum(sizes)
    return np.split(np.arange(ends[-1]), ends[:-1])


def split_of(n, domains=("a",)):
    return pa.table({"domain": [domains[k % len(domains)] for k in range(n)], "label": [k % 2 for k in range(n)]})


@given(SIZES, MIXES, st.integers(0, 2**32 - 1))
def test_each_row_is_used_once(sizes, lang_mix, seed):
    shards = mix(homes_of(sizes), lang_mix, seed)
    assert len(shards) == len(sizes)
    assert sorted(np.concatenate(shards).tolist()) == list(range(sum(sizes)))
    assert all((np.diff(shard) > 0).all() for shard in shards)


@given(SIZES, st.integers(0, 99))
def test_no_mixing_leaves_every_client_its_own_domain(sizes, seed):
    homes = homes_of(sizes)
    assert all(np.array_equal(shard, home) for shard, home in zip(mix(homes, 0.0, seed), homes))


@given(SIZES, st.integers(0, 99))
def test_full_mixing_deals_every_domain_evenly(sizes, seed):
    shards, homes = mix(homes_of(sizes), 1.0, seed), homes_of(sizes)
    counts = np.array([[np.isin(shard, home).sum() for home in homes] for shard in shards])
    assert (counts.max(0) - counts.min(0) <= 1).all()
    assert np.ptp([len(shard) for shard in shards]) <= 1


@given(SIZES, st.integers(0, 10), st.integers(0, 99))
def test_a_client_keeps_the_floor_of_its_share(sizes, tenths, seed):
    """⌊(1−m)·n_k⌋ rows at home at least, in exact arithmetic: at m = 0.9, one row in ten, not none."""
    homes = homes_of(sizes)
    shards = mix(homes, tenths / 10, seed)
    dealt = sum(n - (10 - tenths) * n // 10 for n in sizes)
    for k, (shard, home) in enumerate(zip(shards, homes)):
        kept = (10 - tenths) * len(home) // 10
        assert np.isin(home, shard).sum() >= kept
        assert len(shard) == kept + dealt // len(sizes) + (k < dealt % len(sizes))


@pytest.mark.parametrize("lang_mix", [0.3, 0.5, 0.99])
def test_mixtures_are_what_lang_mix_says(lang_mix):
    """Client k's expected mixture is (1−m)·own + m·everything: a mean over seeds, within 4 standard errors."""
    sizes, seeds = [400, 400, 400], 60
    homes = homes_of(sizes)
    share = np.zeros((seeds, 3, 3))
    for seed in range(seeds):
        for k, shard in enumerate(mix(homes, lang_mix, seed)):
            share[seed, k] = [np.isin(shard, home).mean() for home in homes]
    expected = (1 - lang_mix) * np.eye(3) + lang_mix / 3
    error = 4 * share.std(0) / np.sqrt(seeds) + 1 / 400
    assert (np.abs(share.mean(0) - expected) < error).all()


def test_seeds_give_different_shards_and_one_seed_the_same():
    homes = homes_of([50, 50])
    first, again, other = (mix(homes, 0.5, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@given(SIZES, st.integers(1, 12))
def test_homes_cover_each_row_once_for_any_number_of_clients(sizes, n_clients):
    domains = tuple(homes_of(sizes))
    homes = home_rows(domains, n_clients)
    assert len(homes) == n_clients
    assert sorted(np.concatenate(homes).tolist()) == list(range(sum(sizes)))
    if n_clients == len(sizes):
        assert all(np.array_equal(home, domain) for home, domain in zip(homes, domains))
    if n_clients > len(sizes):  # more clients than domains: each home lies in one domain
        assert all(np.isin(home, domains[k % len(sizes)]).all() for k, home in enumerate(homes))


@given(SIZES, st.floats(0, 0.9), st.integers(0, 99))
def test_held_out_rows_are_not_trained_on(sizes, ratio, seed):
    domains = Domains(tuple(map(str, range(len(sizes)))), tuple(homes_of(sizes)))
    kept, held_out = hold_out(domains, ratio, seed)
    for rows, left, out in zip(domains.rows, kept.rows, held_out.rows):
        assert sorted([*left, *out]) == rows.tolist()
        assert len(out) == (max(1, int(Fraction(str(ratio)) * len(rows))) if ratio else 0)


def test_slices_are_contiguous_thirds():
    domains = split_domains(split_of(10), SPEC, "auto", 3)
    assert domains.names == ("slice1", "slice2", "slice3")
    assert [rows.tolist() for rows in domains.rows] == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_natural_and_label_domains():
    natural = split_domains(split_of(6, ("b", "a", "c")), SPEC, "natural", 3)
    assert natural.names == ("a", "b", "c") and natural.rows[1].tolist() == [0, 3]
    label = split_domains(split_of(6), SPEC, "label", 3)
    assert label.names == ("no", "yes") and label.rows[1].tolist() == [1, 3, 5]


def test_the_first_rows_of_a_domain_are_the_same_for_every_seed():
    plans = [make_plan(RunConfig(test=5, seed=seed), SPEC, split_of(90), split_of(60)) for seed in (1, 2)]
    assert all(len(rows) == 5 for plan in plans for rows in (*plan.train.rows, *plan.test.rows))
    assert all(np.array_equal(a, b) for a, b in zip(plans[0].train.rows, plans[1].train.rows))


@settings(max_examples=20)
@given(MIXES, st.integers(0, 99))
def test_one_client_holds_what_standard_fine_tuning_holds(lang_mix, seed):
    federated = make_plan(RunConfig(n_clients=1, lang_mix=lang_mix, seed=seed), SPEC, split_of(31), split_of(9))
    central = make_plan(RunConfig(centralized=True, seed=seed), SPEC, split_of(31), split_of(9))
    assert np.array_equal(federated.shards[0], central.shards[0])
    assert central.shards[0].tolist() == list(range(31))


@pytest.mark.parametrize("flags, rows, message", [
    ({"n_clients": 10**9}, 30, "--n_clients 1000000000: toy has 30 training rows; give at most one client per row"),
    ({"domain_by": "natural", "n_clients": 30, "val_ratio": 0.5}, 30, "--n_clients 30: more clients than rows"),
    ({"n_clients": 12}, 30, "slice10 has no test rows"),
    ({"val_ratio": 0.9, "n_clients": 9}, 9, "has no training rows"),
])
def test_too_few_rows_is_an_error_that_names_the_flag(flags, rows, message):
    with pytest.raises(UserError, match=message):
        make_plan(RunConfig(**flags), SPEC, split_of(rows, ("a", "b")), split_of(9, ("a", "b")))


def test_domains_a_task_does_not_have_are_an_error():
    spec = TaskSpec(name="toy", kind="regression", text=("sentence",), labels=(), metrics=("pearson",),
                    prompt="{sentence}", label_words=("0", "1"))
    with pytest.raises(UserError, match="--domain_by natural"):
        split_domains(split_of(4), spec, "natural", 3)
    with pytest.raises(UserError, match="does not say the rows' kind"):
        split_domains(split_of(4), SPEC, "natural", 3)
    with pytest.raises(UserError, match="--domain_by label"):
        split_domains(split_of(4), spec, "label", 3)


def test_one_client_has_the_shard_that_it_has_among_all():
    train, test, flags = split_of(50), split_of(9), {"lang_mix": 0.5, "n_clients": 4, "val_ratio": 0.2}
    every = make_plan(RunConfig(**flags), SPEC, train, test)
    for client, shard in enumerate(every.shards):
        alone = make_plan(RunConfig(**flags, only_client=client), SPEC, train, test)
        assert len(alone.shards) == 1 and np.array_equal(alone.shards[0], shard)
        assert [rows.tolist() for rows in alone.val.rows] == [rows.tolist() for rows in every.val.rows]
    with pytest.raises(UserError, match="--only_client 4: there are 4 clients, 0 to 3"):
        make_plan(RunConfig(**flags, only_client=4), SPEC, train, test)


TRAIN, TEST = split_of(40, ("a", "b", "c", "d")), split_of(30, ("a", "b", "c", "d", "new"))
NATURAL = RunConfig(domain_by="natural", val_ratio=0.2, seed=3)


def test_a_domain_without_training_rows_is_not_tested_on_but_a_set_of_its_own():
    plan = make_plan(NATURAL, SPEC, TRAIN, TEST)
    assert plan.test.names == plan.train.names == ("a", "b", "c", "d") and plan.left_out.names == ()
    assert plan.unseen.names == ("new",) and plan.unseen.rows[0].tolist() == [4, 9, 14, 19, 24, 29]
    others = make_plan(NATURAL, SPEC, TRAIN, split_of(30, ("new", "newer")))  # none is trained on
    assert others.test.names == ("new", "newer") and others.unseen.names == ()
    for by in ("slices", "label"):
        assert make_plan(RunConfig(domain_by=by), SPEC, TRAIN, TEST).unseen.names == ()


@pytest.mark.parametrize("flags", [{}, {"test": 3}, {"centralized": True}, {"lang_mix": 0.99}])
def test_a_domain_that_is_left_out_leaves_all_but_its_test_rows_and_no_other_row(flags):
    config = replace(NATURAL, **flags)
    whole, rest = (make_plan(replace(config, hold_out_domain=names), SPEC, TRAIN, TEST) for names in ("", "d,b"))
    assert rest.train.names == rest.val.names == rest.test.names == ("a", "c") and rest.left_out.names == ("b", "d")
    assert len(rest.shards) == (1 if config.centralized else 2) and rest.unseen.names == ("new",)
    for mine, before in ((rest.train, whole.train), (rest.val, whole.val), (rest.test, whole.test)):
        assert all(np.array_equal(rows, before.rows[k]) for rows, k in zip(mine.rows, (0, 2), strict=True))
    assert all(np.array_equal(rows, whole.test.rows[k]) for rows, k in zip(rest.left_out.rows, (1, 3), strict=True))
    assert sorted(np.concatenate(rest.shards)) == sorted(np.concatenate(rest.train.rows))


@pytest.mark.parametrize("names, flags, message", [
    ("b", {"domain_by": "auto"}, "b: the domains are by slices; give --domain_by natural, which has a, b, c, d"),
    ("b", {"domain_by": "label"}, "b: the domains are by label; give --domain_by natural, which has a, b, c, d"),
    ("b,x", {}, "b,x: no domain x in the training rows of toy; they have a, b, c, d"),
    ("b,", {}, "b,: must be NAME"), ("b,b", {}, "b,b: must be NAME.*, each once"),
    ("c", {}, "c: no test row is of the domain c; there are those of a, b"),
    ("a,b", {}, "a,b: leaves no domain of toy to train and test on; name fewer")])
def test_a_domain_that_cannot_be_left_out_is_one_line(names, flags, message):
    with pytest.raises(UserError, match=f"^--hold_out_domain {message}"):
        make_plan(replace(NATURAL, hold_out_domain=names, **flags), SPEC, TRAIN, split_of(9, ("a", "b")))


def test_domains_that_are_tested_on_are_named_where_none_of_them_is_trained_on():
    with pytest.raises(UserError, match="no test row is of the domain b; there are those of x, y$"):
        make_plan(replace(NATURAL, hold_out_domain="b"), SPEC, TRAIN, split_of(9, ("x", "y")))
