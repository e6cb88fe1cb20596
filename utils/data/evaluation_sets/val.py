"""The training rows that `--val_ratio` holds out."""

from utils.config import RunConfig
from utils.data.partition import Domains, Plan
from utils.data.table import Table


def rows(config: RunConfig, table: Table, plan: Plan) -> tuple[str, Domains] | None:
    """Return them; None when there are none."""
    return (table.train_split, plan.val) if config.val_ratio else None
