"""A run's result lines, which are all that stdout gets: one for each evaluation of a round, and one at the end."""

import sys
from collections.abc import Sequence
from pathlib import Path

from utils.console import NOTES, line_to
from utils.data.evaluation_sets import HEADLINE
from utils.record.runlog import SUMMARY, metric_names, read_json


def print_round(record: dict, names: Sequence[str]) -> None:
    """Print a line for each evaluation set in a round's record, in the order of their `names`."""
    for name in names:
        if name in record:
            print_fields(round=record["round"], split=name, **result_fields(record[name]))


def print_finished(folder: Path) -> None:
    """Print the closing line of a run that an earlier process has finished."""
    NOTES.info("%s is finished", folder)
    print_summary(folder, read_json(folder / SUMMARY))


def print_summary(folder: Path, summary: dict) -> None:
    """Print the closing line of the run in `folder`: the result on the headline set."""
    best, result, majority = summary.get("best"), summary[HEADLINE], summary["majority"]
    trained, of_all = (summary.get(key) for key in ("parameters", "all_parameters"))
    print_fields("summary", **{key: summary[key] for key in ("data", "model", "method", "seed", "rounds")},
                 **({"trained": f"{trained}/{of_all}"} if trained != of_all else {}),
                 **({"best_round": best["round"]} if best else {}),
                 **result_fields(result),
                 **{f"majority_{metric}": majority[metric] for metric in metric_names(result)},
                 **{f"majority_pooled_{metric}": value for metric, value in majority.get("pooled", {}).items()},
                 run=folder)


def result_fields(result: dict) -> dict:
    """Flatten an evaluation to `rows`, `loss`, each metric (macro average), each pooled_metric, each metric[domain].

    Records from before there were pooled metrics have none.
    """
    metrics, pooled = metric_names(result), result.get("pooled", {})
    return {**{key: result[key] for key in ("rows", "loss", *metrics)},
            **{f"pooled_{metric}": pooled[metric] for metric in metrics if metric in pooled},
            **{f"{metric}[{name}]": domain[metric] for metric in metrics for name, domain in result["domains"].items()}}


def print_fields(*words: str, **fields: object) -> None:
    """Print one `key=value` line on stdout; numbers with a fraction get four decimals."""
    shown = (f"{key}={value:.4f}" if isinstance(value, float) else f"{key}={value}" for key, value in fields.items())
    line_to(sys.stdout, " ".join([*words, *shown]))
