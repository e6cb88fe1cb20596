"""Draw the learning curves of finished runs: the headline metric after each pass over the rows.

    python -m sweeps.curves log/demo-20260101-120000 --out demo.png

Reads the runs' config.json, rounds.jsonl and summary.json only. The first panel is the macro average, the others
are the domains. Runs of one method and different seeds are averaged.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from sweeps.records import Comparison, Run, read_comparisons
from utils.errors import UserError

# Okabe and Ito's colours and different dashes: readable in grey and by the colour-blind
STYLES = {"centralized": ("#000000", "-"), "centralized-keep": ("#999999", "-"), "iid": ("#0072B2", "-"),
          "noniid": ("#D55E00", "--")}
OTHERS = [("#009E73", "-."), ("#CC79A7", ":"), ("#56B4E9", "-."), ("#E69F00", ":")]


def read_curve(run: Run, metric: str) -> dict[str, list[tuple[float, float]]]:
    """Return {panel: [(passes over all rows, score), …]}: the macro average, then each domain."""
    rows_of_a_pass = sum(sum(shard.values()) for shard in run.config["shards"])
    panels, trained = defaultdict(list), 0
    for line in (run.folder / "rounds.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        trained += run.config["flags"]["epoch"] * sum(client["rows"] for client in record["clients"])
        if "test" in record:
            for panel, result in {"all domains": record["test"], **record["test"]["domains"]}.items():
                panels[panel].append((trained / rows_of_a_pass, result[metric]))
    return dict(panels)


def draw(compared: Comparison, out: Path) -> None:
    """Write the figure of one comparison to `out`; a line ends where the shortest run of its method does."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    others = iter(OTHERS * len(compared.methods))
    panels = ("all domains", *compared.domains)
    figure, axes = pyplot.subplots(1, len(panels), figsize=(2.6 * len(panels), 3), sharey=True, layout="constrained")
    for method, runs in compared.methods.items():
        colour, dash = STYLES.get(method) or next(others)
        curves = [read_curve(run, compared.metric) for run in runs]
        for axis, panel in zip(axes, panels):
            points = list(zip(*(curve[panel] for curve in curves)))  # per evaluation, each seed's (passes, score)
            passes, scores = np.mean(points, axis=1).T
            axis.plot(passes, scores, dash, color=colour, marker="o", markersize=3, label=method)
    majority = next(iter(compared.methods.values()))[0].summary["majority"]
    for axis, panel in zip(axes, panels):
        floor = majority if panel == "all domains" else majority["domains"][panel]
        axis.axhline(floor[compared.metric], color="grey", linewidth=1, linestyle=(0, (1, 3)), label="majority class")
        axis.set_title(panel, fontsize=10)
        axis.set_xlabel("passes over all rows")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(compared.metric)
    figure.suptitle(compared.title, fontsize=10)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(out, dpi=150)


def main() -> int:
    """Draw one figure of all runs below the folders."""
    parser = argparse.ArgumentParser(prog="curves.py", description="Draw the learning curves of finished runs.")
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders that hold some")
    parser.add_argument("--out", type=Path, default=Path("curves.png"), help="the figure (default: %(default)s)")
    options = parser.parse_args()
    try:
        comparisons = read_comparisons(options.folders)
        if len(comparisons) > 1:
            titles = "; ".join(compared.title for compared in comparisons)
            raise UserError(f"these runs are not of one model and one set of test rows ({titles})")
    except UserError as error:
        parser.exit(2, f"curves.py: {error}\n")
    draw(comparisons[0], options.out)
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
