"""Shards by flwr-datasets' partitioners, and by others with their interface."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset
from flwr_datasets.partitioner import DirichletPartitioner, ShardPartitioner
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocess.common import load
from tests.toy import toy_rows
from utils.config import RunConfig
from utils.data.partition import make_plan
from utils.data.shards import partitioned
from utils.errors import UserError
from utils.plugins import NoFlags
from utils.seeds import generator

SPEC = load("rte").SPEC


def table(n: int, seed: int = 0) -> pa.Table:
    """Rows with a random label each."""
    labels = generator(seed, "labels").integers(0, 2, n)
    return pa.table({"row": np.arange(n), "domain": ["rte"] * n, "label": labels})


def config(**flags) -> RunConfig:
    """A run with Dirichlet shards."""
    return RunConfig.of(data="rte", partitioner="dirichlet", **flags)


@settings(max_examples=25, deadline=None)
@given(st.integers(60, 300), st.integers(1, 5), st.floats(0.3, 100), st.integers(0, 9))
def test_each_kept_row_is_used_once_and_the_seed_alone_decides(n, n_clients, alpha, seed):
    train, rows = table(n), np.arange(0, n, 2)
    one, two = (partitioned(config(alpha=alpha, seed=seed), SPEC, train, rows, n_clients) for _ in range(2))
    assert sorted(np.concatenate(one).tolist()) == rows.tolist() and min(map(len, one)) > 0
    assert all(np.array_equal(a, b) and (np.diff(a) > 0).all() for a, b in zip(one, two))


def test_the_shards_are_those_of_flwr_datasets():
    train = table(200)
    mine = partitioned(config(alpha=0.3, seed=5), SPEC, train, np.arange(200), 4)
    theirs = DirichletPartitioner(4, partition_by="label", alpha=0.3, min_partition_size=1, seed=5)
    theirs.dataset = Dataset.from_dict({"label": train["label"].to_numpy(), "row": np.arange(200)})
    assert [shard.tolist() for shard in mine] == [sorted(theirs.load_partition(k)["row"][:]) for k in range(4)]


def test_a_small_alpha_gives_clients_few_labels():
    train = table(2000)
    labels = train["label"].to_numpy()
    skew = {alpha: np.mean([abs(labels[shard].mean() - labels.mean()) for seed in range(5) for shard in partitioned(
        config(alpha=alpha, seed=seed), SPEC, train, np.arange(2000), 4)]) for alpha in (0.1, 1, 1000)}
    assert skew[0.1] > 1.2 * skew[1] > 2 * skew[1000] and skew[1000] < 0.05


def test_a_plan_has_a_shard_for_each_client_and_one_for_standard_fine_tuning():
    train = pa.Table.from_pylist([{"row": k, "domain": "rte", **row} for k, row in enumerate(toy_rows(60, 1))])
    plan = make_plan(config(n_clients=4, val_ratio=0.1), SPEC, train, train)
    assert len(plan.shards) == 4 and not set(np.concatenate(plan.shards)) & set(np.concatenate(plan.val.rows))
    assert len(make_plan(config(centralized=True), SPEC, train, train).shards) == 1


def test_runs_are_named_by_it():
    assert config(alpha=0.1, frac_fit=0.5).method == "dirichlet0.1-partial0.5"
    assert config(centralized=True).method == "centralized"


@pytest.fixture
def own(monkeypatch):
    """Plug in a partitioner as a file utils/data/partitioners/own.py would."""

    def plug(partitioner: object) -> SimpleNamespace:
        module = ModuleType("utils.data.partitioners.own")
        module.partitioner = lambda config, spec, n_clients: partitioner
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return SimpleNamespace(partitioner="own", partitioner_flags=NoFlags())

    return plug


def test_others_of_flwr_datasets_plug_in(own):
    sharding = ShardPartitioner(4, partition_by="label", num_shards_per_partition=2, shard_size=25, seed=1)
    train = table(200)
    shards = partitioned(own(sharding), SPEC, train, np.arange(200), 4)
    assert [len(shard) for shard in shards] == [50] * 4


class Some:
    """A partitioner that gives each client the rows it was made with."""

    def __init__(self, *rows: list[int]) -> None:
        self.rows, self.num_partitions = rows, len(rows)

    def load_partition(self, k: int) -> Dataset:
        """Return partition k."""
        return self.dataset.select(self.rows[k])


@pytest.mark.parametrize("rows, message", [
    (([0, 1], [1, 2, 3]), "do not hold each row exactly once"), (([0, 1], [2]), "do not hold each row exactly once"),
    (([0, 1, 2, 3], []), "a client has no rows")])
def test_a_partitioner_that_loses_rows_is_refused(own, rows, message):
    with pytest.raises(UserError, match=f"--partitioner own: .*{message}"):
        partitioned(own(Some(*rows)), SPEC, table(4), np.arange(4), 2)


def test_what_cannot_be_is_one_line_that_names_the_flags():
    with pytest.raises(UserError, match=r"--partitioner dirichlet: .*20 clients, 40 rows, --alpha 0\.001"):
        partitioned(config(alpha=0.001), SPEC, table(40), np.arange(40), 20)
    with pytest.raises(UserError, match="stsb has no classes as labels"):
        partitioned(config(), load("stsb").SPEC, table(40), np.arange(40), 2)
