"""Compare finished runs: mean ± std over seeds, per domain and overall, and the gain over a baseline.

    python -m sweeps.compare log/demo-20260101-120000            every run below the folder
    python -m sweeps.compare log/a log/b --baseline centralized-keep

Reads the runs' config.json and summary.json only. The gain is the difference to the baseline's run of the same
seed.
"""

import argparse
import statistics
import sys
from pathlib import Path

from sweeps.records import Comparison, read_comparisons
from utils.errors import UserError


def mean_std(values: list[float]) -> str:
    """Return `mean ± sample standard deviation` in points of a hundred, without the latter for one value."""
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{spread}"


def table(compared: Comparison, baseline: str) -> list[list[str]]:
    """Return the rows of one table, header first."""
    metric = compared.metric
    base = {run.seed: run.summary["test"][metric] for run in compared.methods.get(baseline, [])}
    rows = [["method", "seeds", "rows trained", metric, *compared.domains, f"gain over {baseline}"]]
    for method, runs in compared.methods.items():
        tests = [run.summary["test"] for run in runs]
        trained = sorted({run.summary["rows_trained"] for run in runs})
        gains = [run.summary["test"][metric] - base[run.seed] for run in runs if run.seed in base]
        gain = f"{'+' if statistics.mean(gains) >= 0 else ''}{mean_std(gains)}" if gains else ""
        rows.append([method, str(len(runs)), " to ".join(map(str, dict.fromkeys((trained[0], trained[-1])))),
                     mean_std([test[metric] for test in tests]),
                     *(mean_std([test["domains"][name][metric] for test in tests]) for name in compared.domains),
                     "" if method == baseline else gain])
    floor = next(iter(compared.methods.values()))[0].summary["majority"]
    scores = [floor, *(floor["domains"][name] for name in compared.domains)]
    rows.append(["majority class", "", "0", *(mean_std([score[metric]]) for score in scores), ""])
    return rows


def main() -> int:
    """Print one Markdown table for each model and set of test rows."""
    parser = argparse.ArgumentParser(prog="compare.py", description="Compare finished runs.")
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders that hold some")
    parser.add_argument("--baseline", default="centralized", help="method that gains are against")
    options = parser.parse_args()
    try:
        comparisons = read_comparisons(options.folders)
    except UserError as error:
        parser.exit(2, f"compare.py: {error}\n")
    for compared in comparisons:
        rows = table(compared, options.baseline)
        widths = [max(map(len, column)) for column in zip(*rows)]
        rows.insert(1, ["-" * width for width in widths])
        print(f"{compared.title}\n")
        for row in rows:
            print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
