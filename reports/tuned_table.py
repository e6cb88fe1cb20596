"""The table of values that were tried: which one each method is reported with, and what the choosing cost."""

from reports.records import Comparison
from reports.tables import MISSING, ReportTable, score_cell
from reports.tuning import Choice, Value


def tuned_table(compared: Comparison) -> ReportTable:
    """Each method's values with their held-out scores, the one taken, and the runs and rows that the others took."""
    flags = compared.choices[0].flags
    rows = [["method", ", ".join(flags), f"tried (held-out {compared.metric})", "chosen over seeds", "further runs",
             "further rows trained"]]
    for choice in compared.choices:
        tried = "; ".join(f"{spelt(value)} ({score_of(choice, value)})" for value in choice.tried)
        rows.append([choice.method, spelt(choice.value), tried, ", ".join(map(str, choice.seeds)) or MISSING,
                     str(len(choice.spent)), f"{sum(run.rows_trained for run in choice.spent):g}"])
    notes = ["Of each method the value with the best mean on held-out rows, over the seeds that all its values have, "
             "is reported, for all seeds; test rows have no part in it. Further runs: those of the other values."]
    if len({len(choice.tried) for choice in compared.choices}) > 1:
        notes.append("Not equally tuned: methods had different numbers of values to choose from.")
    equals = [f"{choice.method} {' and '.join(map(spelt, choice.equals))}" for choice in compared.choices
              if len(choice.equals) > 1]
    notes += [f"Equal on held-out rows, so that the lowest loss there decides, then the order: {'; '.join(equals)}."
              ] * bool(equals)
    return ReportTable(f"Tuned: {compared.title}", rows, notes)


def spelt(value: Value) -> str:
    """Return values of the tuned flags in their order."""
    return ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in value)


def score_of(choice: Choice, value: Value) -> str:
    """Return a value's mean held-out score as a cell."""
    score = choice.score(value)
    return MISSING if score is None else score_cell([score])
