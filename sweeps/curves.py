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

from utils.errors import UserError
from utils.runlog import finished_runs, headline, read_json

# Okabe and Ito's colours and different dashes: readable in grey and by the colour-blind
STYLES = {"centralized": ("#000000", "-"), "centralized-keep": ("#999999", "-"), "iid": ("#0072B2", "-"),
          "noniid": ("#D55E00", "--")}
OTHERS = [("#009E73", "-."), ("#CC79A7", ":"), ("#56B4E9", "-."), ("#E69F00", ":")]


def read_curve(folder: Path) -> dict:
    """Return a run's method, metric, majority baseline, and {panel: [(passes over all rows, score), …]}."""
    config, summary = read_json(folder / "config.json"), read_json(folder / "summary.json")
    metric = headline(summary)
    rows_of_epoch = sum(sum(shard.values()) for shard in config["shards"])
    panels, trained = defaultdict(list), 0
    for line in (folder / "rounds.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        trained += config["flags"]["epoch"] * sum(client["rows"] for client in record["clients"])
        if "test" in record:
            scores = {"all domains": record["test"], **record["test"]["domains"]}
            for panel, result in scores.items():
                panels[panel].append((trained / rows_of_epoch, result[metric]))
    return {"method": config["method"], "metric": metric, "majority": summary["majority"][metric], "panels": panels,
            "title": f"{summary['data']}, {summary['model']}"}


def draw(curves: list[dict], out: Path) -> None:
    """Write the figure of `curves` (as read_curve returns them, of one task and model) to `out`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    by_method = defaultdict(list)
    for curve in curves:
        by_method[curve["method"]].append(curve)
    others = iter(OTHERS * len(by_method))
    styles = {method: STYLES.get(method) or next(others) for method in by_method}
    panels = list(curves[0]["panels"])
    figure, axes = pyplot.subplots(1, len(panels), figsize=(2.6 * len(panels), 3), sharey=True, layout="constrained")
    for axis, panel in zip(np.atleast_1d(axes), panels):
        for method, runs in by_method.items():
            passes = [point[0] for point in runs[0]["panels"][panel]]
            scores = np.mean([[point[1] for point in run["panels"][panel]] for run in runs], axis=0)
            colour, dash = styles[method]
            axis.plot(passes, scores, dash, color=colour, marker="o", markersize=3, label=method)
        if panel == "all domains":
            axis.axhline(curves[0]["majority"], color="grey", linewidth=0.8, linestyle=(0, (1, 3)),
                         label="majority class")
        axis.set_title(panel, fontsize=10)
        axis.set_xlabel("passes over all rows")
        axis.grid(alpha=0.3)
    np.atleast_1d(axes)[0].set_ylabel(curves[0]["metric"])
    figure.suptitle(curves[0]["title"], fontsize=10)
    handles, labels = np.atleast_1d(axes)[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(out, dpi=150)


def main() -> int:
    """Draw one figure of all runs below the folders."""
    parser = argparse.ArgumentParser(description="Draw the learning curves of finished runs.")
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders that hold some")
    parser.add_argument("--out", type=Path, default=Path("curves.png"), help="the figure (default: %(default)s)")
    options = parser.parse_args()
    try:
        curves = [read_curve(folder) for folder in finished_runs(options.folders)]
        if len({curve["title"] for curve in curves}) > 1:
            raise UserError("the runs are of several tasks or models; give those of one")
    except UserError as error:
        parser.exit(2, f"curves.py: {error}\n")
    draw(curves, options.out)
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
