"""The test rows: of `--test_split`, or of the task's own test split."""

from utils.config import RunConfig
from utils.data.partition import Domains, Plan
from utils.data.table import Table


def rows(config: RunConfig, table: Table, plan: Plan) -> tuple[str, Domains]:
    """Return them; every run has some."""
    return table.tested_split(config.test_split), plan.test
