"""Print every benchmark's saved figures as one Markdown table.

    python -m benchmarks.table [FOLDER]
"""

import sys
from pathlib import Path

from benchmarks.common import HEADER, RESULTS, Figure
from utils.record.runlog import read_json

ORDER = ("end_to_end", "study", "federated_tax", "data_plane", "startup", "batching", "arithmetic", "many_clients",
         "scale", "adapters", "two_nodes", "methods")


def table(folder: Path) -> str:
    """Return the table of all NAME.json in `folder`: the benchmarks of ORDER first, then others by name."""
    found = {path.stem: path for path in sorted(folder.glob("*.json"))}
    names = [name for name in ORDER if name in found] + [name for name in found if name not in ORDER]
    rows = [Figure(**figure).row() for name in names for figure in read_json(found[name])["figures"]]
    return "\n".join([HEADER, *rows])


if __name__ == "__main__":
    print(table(Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS))
