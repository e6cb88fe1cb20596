"""Compare finished runs: mean ± std over seeds, per domain and overall, and the gain over a baseline.

    python -m sweeps.compare log/demo-20260101-120000            every run below the folder
    python -m sweeps.compare log/a log/b --baseline centralized-keep

Reads the runs' config.json and summary.json only. The gain is the difference to the baseline's run of the same
data, model and seed.
"""

import argparse
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from utils.errors import UserError
from utils.runlog import finished_runs, headline, read_json


def mean_std(values: list[float]) -> str:
    """Return `mean ± sample standard deviation` in points of a hundred, without the latter for one value."""
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{spread}"


def table(runs: list[dict], baseline: str) -> list[list[str]]:
    """Return the rows of one table, header first; `runs` share data and model."""
    metric = headline(runs[0])
    domains = list(runs[0]["test"]["domains"])
    by_method: dict[str, dict[int, dict]] = defaultdict(dict)
    for run in runs:
        by_method[run["method"]][run["seed"]] = run
    base = by_method.get(baseline, {})
    rows = [["method", "seeds", "rows trained", metric, *domains, f"gain over {baseline}"]]
    for method, seeds in by_method.items():
        tests = [run["test"] for run in seeds.values()]
        gains = [run["test"][metric] - base[seed]["test"][metric] for seed, run in seeds.items() if seed in base]
        rows.append([method, str(len(seeds)), str(next(iter(seeds.values()))["rows_trained"]),
                     mean_std([test[metric] for test in tests]),
                     *(mean_std([test["domains"][name][metric] for test in tests]) for name in domains),
                     "" if method == baseline or not gains else ("+" if statistics.mean(gains) >= 0 else "")
                     + mean_std(gains)])
    floor = runs[0]["majority"]
    rows.append(["majority class", "", "0", *(mean_std([scores[metric]]) for scores in
                                             (floor, *(floor["domains"][name] for name in domains))), ""])
    return rows


def main() -> int:
    """Print one Markdown table per (data, model) on stdout."""
    parser = argparse.ArgumentParser(description="Compare finished runs.")
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders that hold some")
    parser.add_argument("--baseline", default="centralized", help="method that gains are against")
    options = parser.parse_args()
    try:
        runs = [read_json(folder / "summary.json") for folder in finished_runs(options.folders)]
    except UserError as error:
        parser.exit(2, f"compare.py: {error}\n")
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for run in runs:
        groups[run["data"], run["model"]].append(run)
    for (data, model), group in groups.items():
        rows = table(group, options.baseline)
        widths = [max(map(len, column)) for column in zip(*rows)]
        rows.insert(1, ["-" * width for width in widths])
        print(f"{data}, {model}\n")
        for row in rows:
            print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
