"""What `--diagnose` measured in a run's rounds: why averaging gives what it gives."""

import statistics

from reports.runs import FinishedRun

#: what a figure shows of a round's diagnosis
SHOWN = ("Jensen gap", "mean cosine of updates", "mean norm of updates", "mean barrier half-way")


def diagnoses(run: FinishedRun) -> dict[int, dict[str, float]]:
    """Return {round: {one of SHOWN: value}} of the diagnosed rounds.

    What was no finite number, or is of pairs where one client trained, is left out.
    """
    found = {}
    for record in run.rounds:
        if "diagnosis" in record:
            measured = record["diagnosis"]
            cosines = [value for k, row in enumerate(measured["cosines"]) for value in row[k + 1:]]
            several = dict(zip(SHOWN, ([measured["jensen_gap"]], cosines, measured["norms"],
                                       [each["value"] for each in measured["barriers"]])))
            known = {name: [value for value in values if value is not None] for name, values in several.items()}
            found[record["round"]] = {name: statistics.mean(values) for name, values in known.items() if values}
    return found
