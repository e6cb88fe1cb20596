"""The report as CSV: one line for each comparison, method and domain."""

import csv
import io
from collections.abc import Iterable

from reports.gains import Judged
from reports.intervals import Interval
from reports.scores import step_ratios
from reports.tables import mean_and_deviation

COLUMNS = ("task", "model", "comparison", "method", "domain", "metric", "seeds", "mean", "std", "baseline", "pairs",
           "gain", "gain_low", "gain_high", "verdict", "seeds_lacking_clients", "step_ratio", "seeds_alone_low",
           "seeds_alone_high", "p", "learnt", "pooled", "pooled_std", "pooled_gain", "pooled_low", "pooled_high",
           "set")


def csv_text(all_judged: Iterable[Judged]) -> str:
    """Return one line for each comparison, method and domain ("" is the macro average), in unrounded numbers.

    Scores and gains are parts of 1; what does not exist (an interval of one seed) is empty. A further evaluation set's
    lines follow, with its name in `comparison`. `seeds_lacking_clients`: of a method's `seeds`, those in whose runs a
    round's mean was made without some participants. `step_ratio`: the length of its steps over the plain mean's.
    `gain_low` and `gain_high` are over seeds and test rows where runs keep their answers, `seeds_alone_…` over seeds.
    `p` is corrected for the table's comparisons; that of one domain, which is none of them, is not; at another budget
    there is none. `pooled…`, on the lines of macro averages, are of all rows at once. `set`: the evaluation set, the
    first one in domain.
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
                    "set": compared.evaluated, "learnt": "yes" if judged.learnt[method] else "no",
                    **({} if domain else of_pooled(judged, method)), **of_gain(judged, method, domain)})
    return out.getvalue()


def of_gain(judged: Judged, method: str, domain: str | None) -> dict[str, object]:
    """Return the columns of a method's gain in one domain; none where it has none."""
    if method not in judged.gains:
        return {}
    found = judged.gains[method][domain]
    row: dict[str, object] = {"baseline": judged.baselines[method].name, "pairs": len(found.differences),
                              "verdict": found.verdict}
    if found.shown:
        row |= {"gain": found.mean, "p": found.p if found.same_budget else None, **bounds("gain", found.interval),
                **bounds("seeds_alone", found.alone)}
    return row


def of_pooled(judged: Judged, method: str) -> dict[str, object]:
    """Return the columns of a method's scores over all rows at once; none where they are not recorded."""
    scores = [judged.compared.pooled(run) for run in judged.compared.methods[method]]
    known = [score for score in scores if score is not None]
    if len(known) < len(scores):
        return {}
    mean, deviation = mean_and_deviation(known)
    row: dict[str, object] = {"pooled": mean, "pooled_std": deviation}
    found = judged.pooled.get(method)
    return row | ({"pooled_gain": found.mean, **bounds("pooled", found.interval)} if found and found.shown else {})


def bounds(name: str, found: Interval | None) -> dict[str, object]:
    """Return the columns of an interval's ends."""
    return {} if found is None else {f"{name}_low": found.low, f"{name}_high": found.high}
