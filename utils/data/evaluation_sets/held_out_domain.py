"""The test rows of the domains that `--hold_out_domain` leaves out of training: out of domain."""

from utils.config import RunConfig
from utils.data.partition import Domains, Plan
from utils.data.table import Table


def rows(config: RunConfig, table: Table, plan: Plan) -> tuple[str, Domains] | None:
    """Return them; None when no domain is left out."""
    return (table.tested_split(config.test_split), plan.left_out) if plan.left_out.names else None
