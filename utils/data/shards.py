"""Shards by a partitioner with the interface of flwr-datasets': `--partitioner NAME` is partitioners/NAME.py."""

import warnings

import numpy as np
import pyarrow as pa

from utils.config import RunConfig
from utils.data.columns import numbers
from utils.data.task import TaskSpec
from utils.errors import UserError, in_short
from utils.flags import shown, values_of
from utils.plugins import PARTITIONERS


def partitioned(config: RunConfig, spec: TaskSpec, train: pa.Table, rows: np.ndarray,
                n_clients: int) -> tuple[np.ndarray, ...]:
    """Cut `rows` (int64, of the table `train`) into shards, each in ascending row order.

    The partitioner sees a datasets.Dataset of the rows' `label` (int64, or float64 for regression), `domain` (string)
    and `row`. Raises UserError, naming the flag, when it fails, leaves a client without rows, or does not use each row
    exactly once.
    """
    from datasets import Dataset

    partitioner = PARTITIONERS.load(config.partitioner).partitioner(config, spec, n_clients)
    partitioner.dataset = Dataset.from_dict({"label": numbers(train["label"])[rows],
                                             "domain": train["domain"].take(rows).to_pylist(), "row": rows})
    flag, own = f"--partitioner {config.partitioner}", values_of(config.partitioner_flags)
    try:
        with warnings.catch_warnings(action="ignore"):  # what cannot be is raised after some tries
            shards = [np.sort(np.asarray(partitioner.load_partition(k)["row"][:], np.int64))
                      for k in range(partitioner.num_partitions)]
    except (ValueError, AssertionError) as error:
        given = [f"--{name} {shown(value)}" for name, value in own.items()]
        raise UserError(f"{flag}: {in_short(error)} ({n_clients} clients, {len(rows)} rows"
                        f"{''.join(f', {each}' for each in given)})") from error
    if min(map(len, shards)) == 0:
        raise UserError(f"{flag}: a client has no rows; give fewer --n_clients"
                        + "".join(f" or another --{name}" for name in own))
    if not np.array_equal(np.sort(np.concatenate(shards)), np.sort(rows)):
        raise UserError(f"{flag}: its shards do not hold each row exactly once")
    return tuple(shards)
