"""Dirichlet by label (Hsu et al. 2019, arXiv:1909.06335): the smaller `--alpha`, the fewer labels a client has."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from utils.config import RunConfig
from utils.data.task import TaskSpec
from utils.errors import UserError
from utils.flags import POSITIVE, flag

if TYPE_CHECKING:  # slow to import, and only the run that asks for it needs it
    from flwr_datasets.partitioner import DirichletPartitioner


@dataclass(frozen=True)
class Flags:
    alpha: float = flag(0.5, "concentration: the smaller, the fewer labels a client has", valid=POSITIVE)


def partitioner(config: RunConfig, spec: TaskSpec, n_clients: int) -> "DirichletPartitioner":
    """Return flwr-datasets' partitioner: of each label, client k gets a part drawn from Dirichlet(alpha, …, alpha).

    Raises UserError for a task whose labels are no classes.
    """
    if spec.kind != "classification":
        raise UserError(f"--partitioner dirichlet: {spec.name} has no classes as labels; use lang_mix")
    from flwr_datasets.partitioner import DirichletPartitioner

    return DirichletPartitioner(n_clients, partition_by="label", alpha=config.partitioner_flags.alpha,
                                min_partition_size=1, seed=config.seed)
