"""What `--diagnose` measured in a run's rounds: why averaging gives what it gives."""

from reports.runs import FinishedRun
from utils.record.diagnosed import diagnosed

#: what a figure shows of a round's diagnosis, and in which words
SHOWN = {"jensen_gap": "Jensen gap", "cosine": "mean cosine of updates", "norm": "mean norm of updates",
         "barrier": "mean barrier half-way"}


def diagnoses(run: FinishedRun) -> dict[int, dict[str, float]]:
    """Return {round: {one of SHOWN: value}} of the diagnosed rounds."""
    return {record["round"]: diagnosed(record["diagnosis"]) for record in run.rounds if "diagnosis" in record}
