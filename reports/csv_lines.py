"""The report as CSV: one line for each comparison, method and domain."""

import csv
import io
from collections.abc import Iterable

from reports.gains import Judged
from reports.scores import step_ratios
from reports.tables import mean_and_deviation

COLUMNS = ("task", "model", "comparison", "method", "domain", "metric", "seeds", "mean", "std", "baseline", "pairs",
           "gain", "gain_low", "gain_high", "verdict", "seeds_lacking_clients", "step_ratio")


def csv_text(all_judged: Iterable[Judged]) -> str:
    """Return one line for each comparison, method and domain ("" is the macro average), in unrounded numbers.

    Scores and gains are parts of 1; what does not exist (an interval of one seed) is empty. A further evaluation set's
    lines follow, with its name in `comparison`. `seeds_lacking_clients`: of a method's `seeds`, those in whose runs a
    round's mean was made without some participants. `step_ratio`: the length of its steps over the plain mean's.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for judged in all_judged:
        compared = judged.compared
        steps = step_ratios(compared)
        for method, runs in compared.methods.items():
            for domain in (None, *compared.domains):
                mean, deviation = mean_and_deviation([compared.score(run, domain) for run in runs])
                writer.writerow({
                    "task": compared.task, "model": compared.model, "comparison": compared.title, "method": method,
                    "domain": domain or "", "metric": compared.metric, "mean": mean, "std": deviation,
                    "step_ratio": steps.get(method),
                    "seeds": " ".join(str(run.seed) for run in runs),
                    "seeds_lacking_clients": " ".join(str(run.seed) for run in runs if run.left_out),
                    **of_gain(judged, method, domain)})
    return out.getvalue()


def of_gain(judged: Judged, method: str, domain: str | None) -> dict[str, object]:
    """Return the columns of a method's gain in one domain; none where it has none."""
    if method not in judged.gains:
        return {}
    found = judged.gains[method][domain]
    row: dict[str, object] = {"baseline": judged.baselines[method].name, "pairs": len(found.differences),
                              "verdict": found.verdict}
    if found.differences:
        row["gain"] = found.mean
    if found.interval:
        row["gain_low"], row["gain_high"] = found.interval
    return row
