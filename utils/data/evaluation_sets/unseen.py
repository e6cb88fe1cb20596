"""The test rows of natural domains that no training row is from: of CoLA, the sentences of six sources."""

from utils.config import RunConfig
from utils.data.partition import Domains, Plan
from utils.data.table import Table


def rows(config: RunConfig, table: Table, plan: Plan) -> tuple[str, Domains] | None:
    """Return them; None where there are none, or no others."""
    return (table.tested_split(config.test_split), plan.unseen) if plan.unseen.names else None
